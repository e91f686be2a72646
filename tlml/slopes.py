"""Gradients of a task's loss by parameter name: what inner loops step along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from tlml.task import Params

Loss = Callable[[Params, Any], Tensor]


@runtime_checkable
class Sloped(Protocol):
    """A loss that brings its own way of differentiating it."""

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the loss."""
        ...

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return its gradient by the parameters `names`."""
        ...


def gradient(
    loss: Loss, params: Params, batch: Any, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Return the gradient of ``loss(params, batch)`` by parameter name.

    It can be differentiated again, works under Lightning's inference mode, where
    ``torch.autograd.grad`` fails, and under ``torch.func.vmap``. The loss is called once.

    Args:
        loss: ``loss(params, batch)``, a scalar.
        params: Where, by name.
        batch: Passed on to the loss.
        names: Differentiate by these parameters only; by all where None.
    """
    chosen = list(params if names is None else names)
    if isinstance(loss, Sloped):
        return loss.slopes(params, batch, chosen)
    return by_func(loss, params, batch, chosen)[0]


def by_func(
    loss: Loss, params: Params, batch: Any, names: Iterable[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Return gradient and value by `torch.func`."""

    def of_some(some: Params) -> Tensor:
        return loss({**params, **some}, batch)

    slopes, value = torch.func.grad_and_value(of_some)({name: params[name] for name in names})
    return slopes, value


class FirstOrder:
    """A loss linearised where it is asked: v + Σ (p − p₀)·g with g = ∇loss(p₀), without graph.

    Its gradient is g, a constant, so inner steps that take it are first-order MAML exactly, while
    learned inner rates stay in the graph.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the linearised loss at `params`."""
        slopes, value = self._at(params, batch, params)
        moved = [((params[n] - params[n].detach()) * slope).sum() for n, slope in slopes.items()]
        return value + torch.stack(moved).sum()

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return the constant g by the parameters `names`."""
        return self._at(params, batch, names)[0]

    def _at(
        self, params: Params, batch: Any, names: Iterable[str]
    ) -> tuple[dict[str, Tensor], Tensor]:
        at = {name: value.detach() for name, value in params.items()}
        slopes, value = by_func(self.loss, at, batch, names)
        return {name: slope.detach() for name, slope in slopes.items()}, value.detach()

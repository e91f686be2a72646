"""Gradients of a task's loss by parameter name: what inner loops step along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import get_device_states, set_device_states

from tlml.data.tasks import Params

Loss = Callable[[Params, Any], Tensor]


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
    slopes = getattr(loss, "slopes", None)  # of the classes below
    if slopes is not None:
        found: dict[str, Tensor] = slopes(params, batch, chosen)
        return found
    return by_func(loss, params, batch, chosen)[0]


def by_func(
    loss: Loss, params: Params, batch: Any, names: Iterable[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Return gradient and value by `torch.func`: everywhere right, under vmap too."""

    def of_some(some: Params) -> Tensor:
        return loss({**params, **some}, batch)

    slopes, value = torch.func.grad_and_value(of_some)({name: params[name] for name in names})
    return slopes, value


def by_autograd(
    loss: Loss, params: Params, batch: Any, names: Iterable[str], *, graph: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """Return gradient and value by autograd: quicker, but not under vmap or inference mode.

    Args:
        params: As of `gradient`; with `graph` off, the caller detaches them.
        graph: Whether the gradient can be differentiated again.
    """
    at = dict(params)
    for name in (names := list(names)):
        if not at[name].requires_grad:
            at[name] = at[name].detach().requires_grad_()
    with torch.enable_grad():
        value = loss(at, batch)
    if not names or not value.requires_grad:  # the loss reads none of these parameters
        return {name: torch.zeros_like(at[name]) for name in names}, value
    found = torch.autograd.grad(
        value, [at[name] for name in names], create_graph=graph, materialize_grads=True
    )
    return dict(zip(names, found, strict=True)), value


class FirstOrder:
    """A loss linearised where it is asked: v + Σ (p − p₀)·g with g = ∇loss(p₀), without graph.

    Its gradient is g, a constant, so inner steps that take it are first-order MAML exactly, while
    learned inner rates stay in the graph.

    Args:
        loss: What is linearised.
        by: How g is taken.
    """

    def __init__(self, loss: Loss, by: Callable[..., Any] = by_func) -> None:
        self.loss, self.by = loss, by

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the linearised loss at `params`."""
        slopes, value = self._at(params, batch, params, by_func)  # who calls it may be a transform
        moved = [((params[n] - params[n].detach()) * slope).sum() for n, slope in slopes.items()]
        return value + torch.stack(moved).sum()

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return the constant g by the parameters `names`."""
        return self._at(params, batch, names, self.by)[0]

    def _at(
        self, params: Params, batch: Any, names: Iterable[str], by: Callable[..., Any]
    ) -> tuple[dict[str, Tensor], Tensor]:
        at = {name: value.detach() for name, value in params.items()}
        slopes, value = by(self.loss, at, batch, names)
        return {name: slope.detach() for name, slope in slopes.items()}, value.detach()


class KeptLoss:
    """A loss of some parameters, at others that stay as they are.

    Args:
        loss: The loss of all; how it is differentiated stays its own.
        kept: The others, by name; an inner loop never sees them move.
    """

    def __init__(self, loss: Loss, kept: Params) -> None:
        self.loss, self.kept = loss, dict(kept)

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the loss."""
        return self.loss({**self.kept, **params}, batch)

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return its gradient by the parameters `names`."""
        return gradient(self.loss, {**self.kept, **params}, batch, names)


def kept_of(loss: Loss) -> dict[str, Tensor]:
    """Return what stays as it is while an inner loop goes down a loss, by name."""
    return dict(getattr(loss, "kept", {}))


class SecondOrder:
    """A loss whose gradient is taken by autograd with its graph, which is kept for the outer step.

    Args:
        loss: What is differentiated.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the loss."""
        return self.loss(params, batch)

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return its gradient by the parameters `names`."""
        return by_autograd(self.loss, params, batch, names, graph=True)[0]


class Adjoint(SecondOrder):
    """A loss whose gradient keeps no graph: going back, each step is computed anew.

    The outer gradient is the adjoint recursion v ← v − α H(θ_k) v over the inner steps, with
    Hessian-vector products at the parameters θ_k, which are all that is kept of a step. The graph
    of the whole inner loop is never there at once.
    """

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return its gradient by the parameters `names`."""
        names = list(names)
        inner = _Inner(self.loss, batch, tuple(params), names)
        slopes = _AdjointSlopes.apply(inner, *params.values())  # type: ignore[no-untyped-call]
        return dict(zip(names, slopes, strict=True))


class _Inner(NamedTuple):
    """One inner step: its loss, and which parameters are given and asked for."""

    loss: Loss
    batch: Any
    given: tuple[str, ...]
    asked: list[str]

    def at(self, values: Sequence[Tensor], *, graph: bool) -> tuple[dict[str, Tensor], Params]:
        """Return gradient and leaves at some values of the parameters."""
        leaves = [value.detach().requires_grad_() for value in values]
        at = dict(zip(self.given, leaves, strict=True))
        return by_autograd(self.loss, at, self.batch, self.asked, graph=graph)[0], at


class _AdjointSlopes(torch.autograd.Function):
    """The gradient of a loss, differentiated by Hessian-vector products."""

    @staticmethod
    def forward(ctx: Any, inner: _Inner, *values: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient; of the step only the parameters are kept."""
        ctx.inner, ctx.random = inner, (torch.get_rng_state(), *get_device_states(*values))
        ctx.save_for_backward(*values)
        return tuple(inner.at(values, graph=False)[0].values())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the Hessian's product with what comes from the later steps."""
        state, devices, states = ctx.random
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.set_rng_state(state)  # dropout drops what it dropped
            set_device_states(devices, states)
            slopes, at = ctx.inner.at(ctx.saved_tensors, graph=True)
            pairs = zip(slopes.values(), upstream, strict=True)
            curved = [(slope, up) for slope, up in pairs if slope.requires_grad]
            if not curved:
                return None, *[None] * len(at)
            products = torch.autograd.grad(
                [slope for slope, _ in curved], list(at.values()), [up for _, up in curved],
                materialize_grads=True,
            )  # fmt: skip
        return None, *products

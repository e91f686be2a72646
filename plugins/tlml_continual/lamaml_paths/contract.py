"""What is asked of a path, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from tlml.data import Params
from tlml.metrics import criterion
from tlml.networks import call_with, has_batchnorm, statistics


class Rows(NamedTuple):
    """Examples: inputs ``[n, ...]``, targets, and the task of each ``[n]`` where it is told."""

    x: Tensor
    y: Tensor
    task: Tensor | None = None


class Glance(NamedTuple):
    """One look at a batch.

    Args:
        theta: The parameters θ that learn, by name.
        alpha: Their rates α, by name, of the same shapes.
        own: The batch b, in the order of the inner steps.
        replay: Sample(R), if there is any.
    """

    theta: Params
    alpha: Params
    own: Rows
    replay: Rows | None

    @property
    def meta(self) -> Rows:
        """The batch b_m of the meta-loss: Sample(R) ∪ b."""
        return self.own if self.replay is None else joined(self.replay, self.own)


class Slopes(NamedTuple):
    """The meta-loss, and its gradients by θ and by α; by α nothing where α is not learned."""

    loss: Tensor
    theta: dict[str, Tensor]
    alpha: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The options that decide what the gradients are.

    Args:
        order: Whether inner steps are differentiated (``second``) or their gradients are taken
            for constant (``first``).
        loss_at: The meta-loss: at θ_k (``last``), or the ``mean`` over θ_1 to θ_k.
        inner_relu: Step by max(0, α) inside, so that a rate of 0 or less has no gradient.
        inner_clip: What entries of inner gradients are clamped to; None clamps nothing.
        inner_batch: Examples of an inner step.
        learns_alpha: Whether the gradient by α is asked for.
    """

    order: Literal["first", "second"] = "first"
    loss_at: Literal["last", "mean"] = "last"
    inner_relu: bool = False
    inner_clip: float | None = None
    inner_batch: int = 1
    learns_alpha: bool = True

    def steps(self, rows: Rows) -> Iterator[Rows]:
        """Yield the examples of each inner step."""
        for first in range(0, len(rows.x), self.inner_batch):
            part = slice(first, first + self.inner_batch)
            task = None if rows.task is None else rows.task[part]
            yield Rows(rows.x[part], rows.y[part], task)

    def rate(self, alpha: Tensor) -> Tensor:
        """Return by what an inner step goes."""
        return alpha.relu() if self.inner_relu else alpha

    def way(self, slope: Tensor) -> Tensor:
        """Return along what an inner step goes: the gradient, clamped where that is asked for."""
        return slope if self.inner_clip is None else slope.clamp(-self.inner_clip, self.inner_clip)


@dataclass(frozen=True)
class Objective:
    """What is learned: the mean loss of a network on some rows.

    Args:
        network: Its BatchNorms normalise by what they have stored, as a single example has no
            variance.
        criterion: Name of the loss; None: by the targets.
        masked: Sets the scores of classes of other tasks to -inf; None where tasks aren't told.
        still: What else takes the place of the network's own tensors, by name.
    """

    network: nn.Module
    criterion: str | None = None
    masked: Callable[[Tensor, Tensor], Tensor] | None = None
    still: Params = field(default_factory=dict)

    def loss(self, params: Params, rows: Rows) -> Tensor:
        """Return the mean loss with some parameters in the place of the network's."""
        scores = self.scores(params, rows.x)
        if self.masked is not None and rows.task is not None:
            scores = self.masked(scores, rows.task)
        return criterion(scores, rows.y, self.criterion)

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return what the network gives."""
        # Looking through the modules for BatchNorm takes time, and this is called for each example.
        stored = statistics(self.network, "stored") if self._normalises else nullcontext()
        with stored:
            found: Tensor = call_with(self.network, {**self.still, **params}, x)
        return found

    @cached_property
    def _normalises(self) -> bool:
        return has_batchnorm(self.network)


class Path(Protocol):
    """A way to compute a glance's slopes; all give the same, beyond rounding."""

    name: str

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""


def joined(first: Rows, second: Rows) -> Rows:
    """Return the rows of both, one below the other."""
    tasks = None
    if first.task is not None and second.task is not None:
        tasks = torch.cat([first.task, second.task])
    return Rows(torch.cat([first.x, second.x]), torch.cat([first.y, second.y]), tasks)

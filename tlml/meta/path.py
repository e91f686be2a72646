"""A path: how the tasks of a batch are run, and how their gradients are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from tlml.data.tasks import Batch, Episode, Episodes, Params
from tlml.meta.contract import Memory, Problem, Slopes
from tlml.metrics.losses import criterion
from tlml.strategies.gradients import Adjoint, FirstOrder, Loss, SecondOrder, by_autograd


class Outer(NamedTuple):
    """The summed loss of some tasks, and its gradient by the parameters that are trained."""

    loss: Tensor
    slopes: Slopes


@dataclass(frozen=True)
class Path(ABC):
    """One way to run the tasks of a batch; all give equal gradients.

    Args:
        why: The reason for taking it, for the log.
        memory: ``low``: inner steps keep no graph and are computed anew when going back.
    """

    why: str = ""
    memory: Memory = "normal"
    name: ClassVar[str]
    dim: ClassVar[int] = 0  # which dimension of a task's tensors counts its examples

    @abstractmethod
    def chunks(self, batch: Episode | Episodes, size: int | None) -> Iterator[tuple[Path, Episode]]:
        """Divide a batch into what is run at once, with the path that runs it.

        Args:
            batch: Tensors ``[T, n, ...]``, or a list of tasks of unequal sizes.
            size: At most so many tasks at once; all where None.
        """

    def losses(self, problem: Problem, chunk: Episode) -> Tensor:
        """Return the summed loss of a chunk; the caller turns gradients off."""
        return problem.task_loss(*chunk)

    def gradients(self, problem: Problem, chunk: Episode) -> Outer:
        """Return the summed loss of a chunk, and its gradient."""
        loss, slopes = problem.task_slopes(*chunk)
        return Outer(loss.detach(), slopes)

    # What a problem is on this path

    @property
    def tasks(self) -> int | None:
        """How many tasks share one call of the loss; None: each call is of one task."""
        return None

    def scores(self, problem: Problem, params: Params, x: Tensor) -> Tensor:
        """Return the scores of ``x [n, ...]``."""
        return problem.call(params, x)

    def criterion(self, scores: Tensor, y: Tensor, name: str | None) -> Tensor:
        """Return the loss of scores."""
        return criterion(scores, y, name)

    def differentiated(self, loss: Loss, first_order: bool) -> Loss:
        """Return the loss with the way that inner steps take its slopes."""
        if first_order or not torch.is_grad_enabled():
            return FirstOrder(loss, by_autograd)
        return Adjoint(loss) if self.memory == "low" else SecondOrder(loss)


class LearnerCall(nn.Module):
    """A learner as a module whose call asks one of its problems about a chunk.

    One functional call so replaces all its parameters, the strategy's rates among them: those
    would otherwise get no gradient, silently.

    Args:
        learner: Its parameters are called ``learner.NAME`` here.
        ask: `Problem.task_loss` or `Problem.task_slopes`.
    """

    def __init__(self, learner: Any, ask: Callable[[Batch, Batch], Any]) -> None:
        super().__init__()
        self.learner, self.ask = learner, ask

    def forward(self, chunk: Episode) -> Any:
        """Return what is asked for."""
        return self.ask(*chunk)


def split_tasks(batch: Episode, size: int) -> Iterator[Episode]:
    """Yield at most `size` tasks of a batch at a time."""
    parts = [torch.split(tensor, size) for side in batch for tensor in side]
    for sx, sy, qx, qy in zip(*parts, strict=True):
        yield Episode(Batch(sx, sy), Batch(qx, qy))

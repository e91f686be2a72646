"""All tasks at once on stacked parameters: one batched operation of a layer serves every task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from tlml.data.tasks import Episode, Episodes, Params
from tlml.meta.contract import Problem
from tlml.meta.path import Path, split_tasks
from tlml.meta.stacked_calls import stacked_call
from tlml.meta.stacked_layers import Layer, stacked_scores
from tlml.metrics.losses import summed_criterion


@dataclass(frozen=True)
class StackPath(Path):
    """Give parameters and data a leading dimension of tasks, and sum losses over it.

    Args:
        layers: The network's; none where its own `forward` is run.
        together: How many tasks there are.
    """

    name: ClassVar[str] = "stack"
    dim: ClassVar[int] = 1
    layers: tuple[Layer, ...] = ()
    together: int = 1

    def chunks(self, batch: Episode | Episodes, size: int | None) -> Iterator[tuple[Path, Episode]]:
        """Yield some tasks at a time."""
        assert isinstance(batch, Episode)
        for chunk in split_tasks(batch, size or len(batch.support.x)):
            yield replace(self, together=len(chunk.support.x)), chunk

    @property
    def tasks(self) -> int | None:
        """How many tasks share one call of the loss."""
        return self.together

    def scores(self, problem: Problem, params: Params, x: Tensor) -> Tensor:
        """Return the scores of ``x [T, n, ...]``."""
        if not self.layers:
            return stacked_call(problem.adapter.network, params, x)
        return stacked_scores(self.layers, params, x, problem.policy)

    def criterion(self, scores: Tensor, y: Tensor, name: str | None) -> Tensor:
        """Return the sum of the tasks' losses."""
        return summed_criterion(scores, y, name)

"""Tasks one after the other: runs any network, and any inner loop that can be differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tlml.data.tasks import Episode, Episodes, Params, tasks_of
from tlml.meta.contract import Problem
from tlml.meta.path import Path
from tlml.networks.layout import lay_out


@dataclass(frozen=True)
class LoopPath(Path):
    """Run each task by itself; its graph is gone before the next one begins."""

    name: ClassVar[str] = "loop"

    def chunks(self, batch: Episode | Episodes, size: int | None) -> Iterator[tuple[Path, Episode]]:
        """Yield single tasks."""
        yield from ((self, task) for task in tasks_of(batch))

    def scores(self, problem: Problem, params: Params, x: Tensor) -> Tensor:
        """Return the scores of ``x [n, ...]``, with images laid out as they are fastest."""
        params, x = lay_out(
            params, x, channels_last=problem.learner.channels_last,
            once=problem.adapter.first_order,
        )  # fmt: skip
        return problem.call(params, x)

"""Tasks: one joint distribution P(X, Y) each, and the batches that are drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

Params = Mapping[str, Tensor]
Part = Literal["train", "val", "test"]
Split = Literal["source", "validation", "target"]
SPLITS: tuple[Split, ...] = ("source", "validation", "target")


class Batch(NamedTuple):
    """Inputs ``x [n, ...]`` and targets ``y [n]`` (classes, int64) or ``y [n, d]`` (float)."""

    x: Tensor
    y: Tensor


class Episode(NamedTuple):
    """A few labelled examples of a task to adapt to, and others to be judged by."""

    support: Batch
    query: Batch


class Episodes(NamedTuple):
    """Tasks of a batch that differ in their numbers of examples, so that they can't be stacked."""

    tasks: list[Episode]


def tasks_of(batch: Episode | Episodes) -> list[Episode]:
    """Return the tasks of a batch one by one."""
    if isinstance(batch, Episodes):
        return batch.tasks
    (sx, sy), (qx, qy) = batch
    parts = zip(sx, sy, qx, qy, strict=True)
    return [Episode(Batch(a, b), Batch(c, d)) for a, b, c, d in parts]


class Pair(NamedTuple):
    """Labelled source, labelled target and unlabelled target inputs; an absent part has length 0.

    ``index [n_source]`` holds the data-set position of each source example, for sample weights.
    """

    source: Batch
    target: Batch
    unlabelled: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, as the field is called


class Step(NamedTuple):
    """Examples of a stream and the number of the task ``[n]`` that each belongs to."""

    batch: Batch
    task: Tensor


@runtime_checkable
class Task(Protocol):
    """A joint distribution P(X, Y) that can be sampled."""

    name: str

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw `n` examples, a function of `rng` only."""


@runtime_checkable
class Finite(Protocol):
    """A task that is a data set of a fixed size, divided into parts.

    Episodes of classes hold so many examples of each, unless a task has ``by_class = False``: then
    they hold so many of the whole, as where targets are values. A task whose examples follow each
    other in time says ``ordered = True``: supports are then runs of them that precede their
    queries, and are not divided by class.
    """

    name: str

    def split(self, part: Part) -> Dataset[Batch]:
        """Return the examples of one part; parts share none. ``val`` and ``test`` may be empty."""


def is_sampled(task: Any) -> TypeGuard[Task]:
    """Say whether something is a `Task`, as isinstance does, in a tenth of its time."""
    return hasattr(task, "sample") and hasattr(task, "name")


def is_data_set(task: Any) -> TypeGuard[Finite]:
    """Say whether something is `Finite`, as isinstance does, in a tenth of its time."""
    return hasattr(task, "split") and hasattr(task, "name")


@runtime_checkable
class MDP(Protocol):
    """A task whose examples come from acting: a Markov decision process."""

    name: str

    def make(self, seed: int) -> gymnasium.Env:
        """Make an environment of its own, seeded."""


@dataclass(frozen=True, slots=True)
class Examples(Dataset[Batch]):
    """A data set held in memory: ``x [n, ...]``, ``y [n]`` or ``[n, d]``."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.x[index], self.y[index])


class Samples(Protocol):
    """Inputs ``[n, ...]``: a tensor, or what reads those that are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the inputs of an index tensor, a mask or a slice."""


@dataclass(frozen=True, slots=True)
class StoredExamples(Dataset[Batch]):
    """A data set of inputs that are read when they are asked for, and of targets in memory.

    Views read what a batch or an episode holds, so that `x` may be larger than memory. It must
    pickle without its inputs.
    """

    x: Samples
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.x[torch.tensor([index])][0], self.y[index])


Held = Examples | StoredExamples  # of which single examples can be read


def readable(dataset: Dataset[Batch]) -> Held:
    """Return a data set of which single examples can be read, held in memory if need be."""
    return dataset if isinstance(dataset, StoredExamples) else examples(dataset)


def examples(dataset: Dataset[Batch]) -> Examples:
    """Return a data set as `Examples`, reading it item by item where it is not one already."""
    if isinstance(dataset, Examples):
        return dataset
    if isinstance(dataset, StoredExamples):
        return Examples(dataset.x[:], dataset.y)
    items = [dataset[i] for i in range(len(dataset))]  # type: ignore[arg-type]
    if not items:
        return Examples(torch.empty(0), torch.empty(0))
    xs, ys = zip(*items, strict=True)
    return Examples(
        torch.stack([torch.as_tensor(x) for x in xs]), torch.stack([torch.as_tensor(y) for y in ys])
    )

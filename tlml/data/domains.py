"""Domains: families of tasks that share the spaces X and Y, divided by task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import torch
from gymnasium.spaces import Discrete, Space

from tlml.data.tasks import Batch, Examples, Part, Samples, Split
from tlml.errors import TlmlError
from tlml.recorded import Recorded

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

T = TypeVar("T")

POOL_WAYS = 5  # classes in an episode of a class pool where nothing else is said


class Metric(NamedTuple):
    """The metric that tasks are compared by, and which direction is better."""

    name: str
    higher_is_better: bool


class Domain(Recorded, ABC, Generic[T]):
    """A family of tasks with the input space `x` and the target space `y`.

    A subclass sets `x` and `y` (gymnasium spaces: `Box` targets are regression, `Discrete` ones
    classes or actions) and writes `draw`, for an endless family, or `tasks`, for a finite one.
    Accuracy of classes and mean squared error of values are what tasks are measured by, unless it
    sets `metric` and writes `measure`.

    Where it has fewer than five target tasks, which are series of examples that resemble their
    neighbours, it sets `blocks` to the length of a block: so many consecutive examples that those
    before and after say little of each other. The examples of a task are then in the order of time,
    queries are runs of them, and intervals resample blocks.
    """

    x: Space[Any]
    y: Space[Any]
    metric: Metric | None = None
    blocks: int | None = None
    # Of what vectors hold, where it has names: errors tell them.
    input_names: Sequence[str] = ()
    target_names: Sequence[str] = ()

    def spaces(self, split: Split) -> tuple[Space[Any], Space[Any]]:
        """Return the spaces of one split; label sets may differ between source and target."""
        return self.x, self.y

    def draw(self, split: Split, rng: np.random.Generator) -> T:
        """Draw one task of p(T), a function of `split` and `rng` only."""
        tasks = self.tasks(split)
        if not len(tasks):
            raise TlmlError(f"{type(self).__name__} has no {split} tasks")
        return tasks[int(rng.integers(len(tasks)))]

    def tasks(self, split: Split) -> Sequence[T]:
        """Return the tasks of a finite family; their order is the default stream."""
        raise TlmlError(f"{type(self).__name__} has endless tasks: it has draw(), not tasks()")

    def measure(self, batch: Batch, scores: Tensor) -> Mapping[str, Tensor]:
        """Return what predictions for examples of one task are worth, scalars by name.

        Asked only where `metric` is set, whose name must be among them.
        """
        raise TlmlError(f"{type(self).__name__} has a metric and no measure(): write it")

    def fingerprint(self) -> str | None:
        """Return the state of the data that it reads; None where its options decide all.

        Suites run anew what was measured on another state. `tlml.data.fingerprint_files` tells
        the state of files.
        """
        return None


class ClassPool(Domain["ClassTask"]):
    """A domain given as a pool of classes, from which the core draws N-way tasks.

    A subclass sets `x` and writes `classes`.
    """

    @abstractmethod
    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each class of a split to its samples ``[n, ...]``; splits share no class."""

    def samples(self, split: Split) -> Mapping[str, Samples]:
        """Map each class to its samples, or to what reads single ones of data on the disk."""
        return self.classes(split)

    def test_samples(self, split: Split) -> Mapping[str, Samples]:
        """Map each class to samples that only judge what is retained of a stream.

        Where there are none, a stream holds a fifth of its examples out.
        """
        return {}

    def spaces(self, split: Split) -> tuple[Space[Any], Space[Any]]:
        """Return `x` and one label for each class of the split."""
        return self.x, Discrete(len(self.samples(split)))

    def draw(self, split: Split, rng: np.random.Generator, ways: int | None = None) -> ClassTask:
        """Draw a task of `ways` classes (all where None), labelled in the drawn order.

        Raises:
            TlmlError: There are fewer classes than `ways`.
        """
        pool = self.samples(split)
        names = list(pool)
        if ways is not None and not 2 <= ways <= len(names):
            raise TlmlError(
                f"ways: {ways} does not fit the {split} classes of {type(self).__name__}: "
                f"there are {len(names)}, and at least 2 are needed"
            )
        if ways is not None:
            names = [names[i] for i in rng.permutation(len(names))[:ways]]
        return ClassTask(tuple(names), tuple(pool[name] for name in names))

    def tasks(self, split: Split) -> Sequence[ClassTask]:
        """Return one task that holds all classes of the split."""
        pool = self.samples(split)
        return [ClassTask(tuple(pool), tuple(pool.values()))]


@dataclass(frozen=True, slots=True)
class ClassTask:
    """A classification task made of some classes of a pool (a `Finite` task without parts)."""

    classes: tuple[str, ...]
    samples: tuple[Samples, ...]

    @property
    def name(self) -> str:
        """The names of its classes."""
        return " ".join(self.classes)

    def split(self, part: Part) -> Examples:
        """Return all samples as ``train``; the other parts are empty."""
        x = torch.cat([sample[:] for sample in self.samples])
        counts = torch.tensor([len(sample) for sample in self.samples])
        y = torch.repeat_interleave(torch.arange(len(self.samples)), counts)
        return Examples(x, y) if part == "train" else Examples(x[:0], y[:0])

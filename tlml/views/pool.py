"""The classes of a pool as one data set, of which only what is asked for is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tlml.domains import ClassPool
from tlml.sampling import check_finite
from tlml.task import Batch, Examples, Split


@dataclass(frozen=True, slots=True)
class PoolSamples:
    """The inputs of a split's classes one after the other; an index reads those that it names.

    Args:
        domain: The pool, which a loader process reads from by itself.
        split: Whose classes.
        labels: The class of each input ``[n]``, as a number.
        places: Where in its class each input is ``[n]``.
    """

    domain: ClassPool
    split: Split
    labels: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the inputs of an index tensor or a slice.

        Raises:
            TlmlError: One is NaN or infinite.
        """
        samples = list(self.domain.samples(self.split).values())
        labels, order = self.labels[index].sort(stable=True)
        numbers, counts = torch.unique_consecutive(labels, return_counts=True)
        places = torch.split(self.places[index][order], counts.tolist())
        own = [samples[number][rows] for number, rows in zip(numbers, places, strict=True)]
        x = torch.cat([samples[0][:0], *own])[order.argsort()]
        check_finite(Batch(x, labels), f"{self.split} classes of {type(self.domain).__name__}")
        return x


@dataclass(frozen=True, slots=True)
class PoolExamples:
    """All examples of a pool: inputs that are read when asked for, and labels ``y [n]``."""

    x: PoolSamples

    @property
    def y(self) -> Tensor:
        """The number of each example's class."""
        return self.x.labels

    def __len__(self) -> int:
        return len(self.x)


def on_disk(domain: ClassPool, split: Split) -> bool:
    """Return whether a split's samples are read when they are asked for."""
    return not all(isinstance(own, Tensor) for own in domain.samples(split).values())


def pool_examples(domain: ClassPool, split: Split) -> PoolExamples:
    """Return all examples of a split, in the order of `ClassTask.split`."""
    counts = [len(own) for own in domain.samples(split).values()]
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    places = torch.cat([torch.arange(count) for count in counts])
    return PoolExamples(PoolSamples(domain, split, labels, places))


def part(data: Examples | PoolExamples, rows: Tensor) -> Examples | PoolExamples:
    """Return some rows of a data set."""
    if isinstance(data, Examples):
        return Examples(data.x[rows], data.y[rows])
    x = data.x
    return PoolExamples(PoolSamples(x.domain, x.split, x.labels[rows], x.places[rows]))

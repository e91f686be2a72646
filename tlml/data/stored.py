"""Data sets joined to one, of which only what is asked for is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tlml.data.checks import check_finite
from tlml.data.domains import ClassPool
from tlml.data.tasks import Batch, Examples, Held, Samples, Split, StoredExamples


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
        labels = self.labels[index]
        x = _gather(samples, labels, self.places[index])
        check_finite(Batch(x, labels), f"{self.split} classes of {type(self.domain).__name__}")
        return x


@dataclass(frozen=True, slots=True)
class JoinedExamples:
    """The inputs of several data sets one after the other, as one."""

    parts: tuple[Samples, ...]
    where: str  # for an error

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the inputs of an index tensor or a slice.

        Raises:
            TlmlError: One is NaN or infinite.
        """
        rows = torch.arange(len(self))[index]
        ends = torch.tensor([len(part) for part in self.parts]).cumsum(0)
        numbers = torch.bucketize(rows, ends, right=True)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), ends])[numbers]
        x = _gather(self.parts, numbers, rows - starts)
        check_finite(Batch(x, numbers), self.where)
        return x


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some rows ``[n]`` of inputs, as inputs of their own."""

    samples: Samples
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any, /) -> Tensor:
        return self.samples[self.rows[index]]


def on_disk(domain: ClassPool, split: Split) -> bool:
    """Return whether a split's samples are read when they are asked for."""
    return not all(isinstance(own, Tensor) for own in domain.samples(split).values())


def pool_examples(domain: ClassPool, split: Split) -> StoredExamples:
    """Return all examples of a split, in the order of `ClassTask.split`."""
    counts = [len(own) for own in domain.samples(split).values()]
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    places = torch.cat([torch.arange(count) for count in counts])
    return StoredExamples(PoolSamples(domain, split, labels, places), labels)


def join_examples(parts: Sequence[Held], where: str) -> Held:
    """Return data sets as one: in memory where all of them are."""
    # One that was read item by item and has none knows neither its shapes nor its types.
    parts = [part for part in parts if len(part)] or parts
    y = torch.cat([part.y for part in parts])
    in_memory = [part.x for part in parts if isinstance(part, Examples)]
    if len(in_memory) == len(parts):
        return Examples(torch.cat(in_memory), y)
    return StoredExamples(JoinedExamples(tuple(part.x for part in parts), where), y)


def part(data: Held, rows: Tensor) -> Held:
    """Return some rows of a data set."""
    if isinstance(data, Examples):
        return Examples(data.x[rows], data.y[rows])
    return StoredExamples(Chosen(data.x, rows), data.y[rows])


def _gather(samples: Sequence[Samples], numbers: Tensor, places: Tensor) -> Tensor:
    """Read the inputs that lie at `places` of the data sets of these `numbers`, both ``[n]``."""
    numbers, order = numbers.sort(stable=True)
    own, counts = torch.unique_consecutive(numbers, return_counts=True)
    rows = torch.split(places[order], counts.tolist())
    read = [samples[number][some] for number, some in zip(own, rows, strict=True)]
    return torch.cat([samples[0][:0], *read])[order.argsort()]

"""Disjoint parts of a task's examples: where tasks are few, they are what episodes differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from tlml.data.counts import Amounts, most_of
from tlml.data.domains import ClassTask
from tlml.data.sampling import even_chunk, keyed_rng
from tlml.data.tasks import Finite, Held, Split, readable

_CUT = 1  # the stream of permutations of a task's examples, beside (seed, split, index)


class Turn(NamedTuple):
    """Whose turn an episode is.

    Args:
        task: The name of the task, different from all others'.
        part: Which of the disjoint parts of its examples the query is from; None where there are
            tasks enough to tell episodes apart.
        parts: How many there are; None where they are not known or the task is sampled.
        place: Of the task among those of its split; None where it is not known.
    """

    task: str
    part: int | None = None
    parts: int | None = None
    place: int | None = None


class Queryable(NamedTuple):
    """Places of examples that a query may hold.

    Args:
        places: Of these examples.
        in_order: The query is the first of them, in this order.
    """

    places: Tensor
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """One of the disjoint parts of the examples that a task's queries are drawn from.

    Args:
        key: Seed, split and place of the task: what the division is a function of.
        number: Which part.
        parts: How many there are.
        in_order: Parts are runs of examples in their order, and queries keep it.
    """

    key: tuple[int, Split, int]
    number: int
    parts: int
    in_order: bool = False

    def part(self, places: Tensor, group: str) -> Queryable:
        """Return the part of the examples of one class, or of the whole.

        Args:
            places: Of all these examples, in their order.
            group: The class.
        """
        chunk = even_chunk(len(places), self.parts, self.number)
        if self.in_order:
            return Queryable(places[chunk], True)
        seed, split, place = self.key
        rng = keyed_rng(seed, split, place, crc32(group.encode()), _CUT)
        return Queryable(places[torch.from_numpy(rng.permutation(len(places)))][chunk])


def part_of(cut: Cut | None, places: Tensor, group: str = "") -> Queryable | None:
    """Return the part of a class, or of the whole; None where all may be queried."""
    return None if cut is None else cut.part(places, group)


def divided(
    own: Tensor, others: Tensor | None, shots: int, queries: int, part: Queryable | None
) -> tuple[Tensor, Tensor]:
    """Return the places of support and query.

    Args:
        own: The places of what the support is drawn from, permuted.
        others: Those of what the query is drawn from; None: both are drawn from `own`.
        shots: Support examples.
        queries: Query examples.
        part: What the query is drawn from of these; all where None.
    """
    drawn = own if others is None else others
    if part is None:
        first = shots if others is None else 0
        return own[:shots], drawn[first : first + queries]
    query = part.places if part.in_order else drawn[torch.isin(drawn, part.places)]
    query = query[:queries]
    left = own[~torch.isin(own, query)] if others is None else own
    return left[:shots], query


def following(
    shots: int, queries: int, train: int, test: int, cut: Cut | None, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return the places of a support and of the query that follows it in time.

    A query of a part of its own follows the last `shots` examples. Of one part, both are runs, side
    by side: where they lie is drawn, or is the first place of the cut.

    Args:
        shots: Support examples.
        queries: Query examples.
        train: How many there are to train on.
        test: How many in a part of their own; 0 without one.
        cut: The part of the examples that the query is from; any where None.
        rng: Draws the place.
    """
    near = torch.arange(train)
    if test:
        chunk = slice(0, test) if cut is None else even_chunk(test, cut.parts, cut.number)
        return near[train - shots :], torch.arange(test)[chunk][:queries]
    later = train - shots  # those before are of supports alone
    if cut is None:
        start, end = int(rng.integers(later - queries + 1)), later
    else:
        chunk = even_chunk(later, cut.parts, cut.number)
        start, end = chunk.start, chunk.stop
    first = start + shots
    return near[start:first], near[first : min(first + queries, end + shots)]


def number_of_parts(task: Any, queries: Amounts, shots: Amounts = 0) -> int | None:
    """Return how many disjoint queries a task has examples for; None where it is sampled.

    Args:
        task: A task of a domain.
        queries: Asked for: of each class where the task is divided by class.
        shots: Asked for: of a task in time, the first ones are of supports alone.
    """
    if isinstance(task, ClassTask):
        sizes: Sequence[int] = [len(samples) for samples in task.samples]
    elif isinstance(task, Finite):
        sizes = _sizes(task, queried(task))
        if is_ordered(task) and not len(readable(task.split("test"))):
            sizes = [size - most_of(shots, size) for size in sizes]
    else:
        return None
    return max(1, min((size // most_of(queries, size) for size in sizes if size), default=0))


def queried(task: Finite) -> Held:
    """Return the examples that queries are drawn from: the ``test`` part where there is one."""
    test = readable(task.split("test"))
    return test if len(test) else readable(task.split("train"))


def by_class(task: Finite, data: Held) -> bool:
    """Return whether a task is divided class by class; one in time is not."""
    if is_ordered(task):
        return False
    return not data.y.is_floating_point() and bool(getattr(task, "by_class", True))


def is_ordered(task: Any) -> bool:
    """Return whether the examples of a task follow each other in time."""
    return bool(getattr(task, "ordered", False))


def _sizes(task: Finite, data: Held) -> list[int]:
    if not by_class(task, data):
        return [len(data)]
    counted: list[int] = torch.unique(data.y, return_counts=True)[1].tolist()
    return counted

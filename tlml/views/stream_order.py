"""Which tasks a stream is made of, in what order; none of them is read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tlml.data.domains import ClassPool, Domain
from tlml.data.sampling import keyed_rng
from tlml.data.stored import join_examples
from tlml.data.tasks import Batch, Examples, Held, Part, Samples, Split, StoredExamples
from tlml.errors import TlmlError

_ORDER = 4  # a draw beside those of the examples within tasks (see stream_tasks)


def ordered_tasks(
    domain: Domain[Any], split: Split, ways: int, shuffled_by: int | None
) -> Sequence[Any]:
    """Return the tasks of a family, or those that the classes of a pool make.

    Args:
        ways: Classes in a task of a pool.
        shuffled_by: The seed by which the order of tasks, or of classes, is drawn; the domain's
            order where None.

    Raises:
        TlmlError: A pool has fewer classes than `ways`, or a family has no list of tasks.
    """
    if isinstance(domain, ClassPool):
        pool = domain.samples(split)
        if len(pool) < ways:
            raise TlmlError(
                f"ways={ways}, but {type(domain).__name__} has only {len(pool)} {split} classes"
            )
        tests = domain.test_samples(split)
        _check_tests(pool, tests, f"{split} classes of {type(domain).__name__}")
        names = list(pool)
        return PoolTasks(pool, tests, [names[i] for i in _order(len(names), shuffled_by)], ways)
    tasks = domain.tasks(split)
    return Reordered(tasks, _order(len(tasks), shuffled_by))


@dataclass(frozen=True)
class Reordered(Sequence[Any]):
    """Tasks in another order; each is asked for anew, so that a domain may make it only then."""

    tasks: Sequence[Any]
    order: Sequence[int]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: Any) -> Any:
        return self.tasks[self.order[place]]


@dataclass(frozen=True)
class PoolTasks(Sequence[Any]):
    """The classes of a pool, `ways` at a time; those that fill no task are left out."""

    pool: Any  # the examples of each class by its name
    tests: Any  # those that judge it, likewise; empty where none are kept apart
    names: Sequence[str]
    ways: int

    def __len__(self) -> int:
        return len(self.names) // self.ways

    def __getitem__(self, place: Any) -> Any:
        low = place * self.ways
        own = tuple(self.names[low : low + self.ways])
        parts = (self.pool, self.tests) if self.tests else (self.pool,)
        samples, *tests = (tuple(held[name] for name in own) for held in parts)
        return PoolTask(own, samples, low, *tests)


@dataclass(frozen=True)
class PoolTask:
    """Some classes of a pool as a task; the first is labelled `low`."""

    classes: tuple[str, ...]
    samples: tuple[Samples, ...]
    low: int
    tests: tuple[Samples, ...] = ()

    @property
    def name(self) -> str:
        """The names of its classes."""
        return " ".join(self.classes)

    def split(self, part: Part) -> Dataset[Batch]:
        """Return the samples as ``train`` and what judges them, if any, as ``test``."""
        own = {"train": self.samples, "test": self.tests}.get(part, ())
        if not own:
            return Examples(torch.empty(0), torch.empty(0))
        return join_examples(
            [_labelled(x, self.low + number) for number, x in enumerate(own)], f"task {self.name}"
        )


def _labelled(x: Samples, label: int) -> Held:
    y = torch.full((len(x),), label)
    return Examples(x, y) if isinstance(x, Tensor) else StoredExamples(x, y)


def _check_tests(pool: Mapping[str, Samples], tests: Mapping[str, Samples], whose: str) -> None:
    missing = [name for name in pool if name not in tests] if tests else []
    if missing:
        raise TlmlError(
            f"{whose}: test_samples() lacks '{missing[0]}'; give each class some, or no class any"
        )


def _order(number: int, shuffled_by: int | None) -> list[int]:
    if shuffled_by is None:
        return list(range(number))
    order: list[int] = keyed_rng(shuffled_by, "source", 0, _ORDER).permutation(number).tolist()
    return order

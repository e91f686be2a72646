"""The tasks of a stream in its order: made when they are asked for, and then let go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tlml.data.checks import check_finite, check_part
from tlml.data.domains import Domain
from tlml.data.parts import is_ordered
from tlml.data.sampling import keyed_rng
from tlml.data.stored import part
from tlml.data.tasks import Batch, Examples, Finite, Held, Part, Split, readable
from tlml.errors import TlmlError
from tlml.views.stream_order import ordered_tasks

_HELD_OUT = 0.2  # share of a task without a test part that measures what is retained
# Draws beside the order of a task's first epoch, whose key is (seed, place of the task) alone.
_SAMPLES, _DIVISION, _LATER_EPOCH = 1, 2, 3
LEAST = 2  # examples of a task without a test part
_DATA = ("_listed", "_training", "_judging", "_order")  # what does not go to loader processes


class Sizes(NamedTuple):
    """How many examples of a task there are to learn from and to judge by.

    `divided` says that they are of one part, for want of a test part.
    """

    train: int
    test: int
    divided: bool


class Shown(NamedTuple):
    """Examples as their domain holds them, and which of them ``[n]`` count."""

    data: Held
    rows: Tensor

    def batch(self, index: Tensor, where: str) -> Batch:
        """Return the rows at ``index [n]``.

        Raises:
            TlmlError: What was read is NaN or infinite; what lies in memory is checked before.
        """
        rows = self.rows[index]
        found = Batch(self.data.x[rows], self.data.y[rows])
        if not isinstance(self.data, Examples):
            check_finite(found, where)
        return found


class StreamTasks(Sequence[tuple[Held, Held]]):
    """The tasks of a stream; item t holds the examples to learn task t from and to judge it by.

    It keeps the examples that were asked for last, of one task to learn from and of one to judge
    by. It pickles without data: each loader process makes its own.

    Args:
        domain: A family with a finite list of tasks, or a pool of classes.
        split: Whose tasks.
        number: How many tasks; all where None.
        ways: Classes in a task of a pool.
        samples: Examples of each task to learn from; as many as the smallest has where None.
        shuffled: Draw the order of tasks, or of the classes of a pool.
        seed: The key of all orders.
    """

    def __init__(
        self,
        domain: Domain[Any],
        split: Split,
        *,
        number: int | None,
        ways: int,
        samples: int | None,
        shuffled: bool,
        seed: int,
    ) -> None:
        self.domain, self.split, self.number = domain, split, number
        self.ways, self.samples, self.shuffled, self.seed = ways, samples, shuffled, seed
        self._sizes: list[Sizes] = []
        self._listed: Sequence[Any] | None = None
        self._training: tuple[int, Shown] | None = None
        self._judging: tuple[int, Shown] | None = None
        self._order: tuple[tuple[int, int], Tensor] | None = None

    def __len__(self) -> int:
        """Return the number of tasks, without making any.

        Raises:
            TlmlError: There are fewer tasks than asked for.
        """
        there = len(self._tasks())
        if self.number is not None and self.number > there:
            raise TlmlError(
                f"tasks={self.number}, but {type(self.domain).__name__} has only {there} "
                f"{self.split} tasks"
            )
        return there if self.number is None else self.number

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"task {place} of a stream of {len(self)} tasks")
        place %= len(self)
        return part(*self.training(place)), part(*self.judging(place))

    def sizes(self) -> list[Sizes]:
        """Return how many examples each task has.

        The first call makes all tasks one after the other and checks what lies in memory: errors
        come before long work.

        Raises:
            TlmlError: A task has no fixed examples, or NaN or infinite ones.
        """
        if not self._sizes:
            self._sizes = [self._measure(place) for place in range(len(self))]
        return self._sizes

    def size(self) -> int:
        """Return how many examples of each task are learned from.

        Raises:
            TlmlError: A task has fewer.
        """
        smallest = min(sizes.train for sizes in self.sizes())
        if self.samples is not None and self.samples > smallest:
            raise TlmlError(
                f"samples={self.samples}, but the smallest task has only {smallest} examples"
            )
        return self.samples or smallest

    def training(self, place: int) -> Shown:
        """Return the examples of a task to learn from, before `samples` are chosen."""
        if self._training is None or self._training[0] != place:
            self._training = None  # let go of the last task before the next one is made
            self._training = place, self._shown(place, "train")
        return self._training[1]

    def judging(self, place: int) -> Shown:
        """Return the examples of a task to judge it by: its test part, or what was held out."""
        if self._judging is None or self._judging[0] != place:
            self._judging = None
            self._judging = place, self._shown(place, "test")
        return self._judging[1]

    def learned(self, place: int) -> Shown:
        """Return the examples of a task that are learned from, in the order of its first epoch."""
        data, rows = self.training(place)
        return Shown(data, rows[self.order(place, 0)])

    def order(self, place: int, epoch: int) -> Tensor:
        """Return which examples of a task come in one of its epochs, in their order."""
        key = (place, epoch)
        if self._order is None or self._order[0] != key:
            draw = (place, _LATER_EPOCH, epoch) if epoch else (place,)
            chosen = self._permutation(self.sizes()[place].train, place, _SAMPLES)[: self.size()]
            self._order = key, chosen[self._permutation(len(chosen), *draw)]
        return self._order[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **dict.fromkeys(_DATA)}

    def _tasks(self) -> Sequence[Any]:
        if self._listed is None:
            seed = self.seed if self.shuffled else None
            self._listed = ordered_tasks(self.domain, self.split, self.ways, seed)
        return self._listed

    def _split(self, place: int, name: Part) -> Held:
        return readable(self._dataset(place, name))

    def _dataset(self, place: int, name: Part) -> Dataset[Batch]:
        task = self._tasks()[place]
        if not isinstance(task, Finite):
            raise TlmlError(f"task {task.name}: a stream needs tasks with split()")
        return task.split(name)

    def _measure(self, place: int) -> Sizes:
        train, test = self._checked(place, "train"), self._checked(place, "test")
        if test and train:
            return Sizes(train, test, divided=False)
        if test:
            raise TlmlError(
                f"task {place} of the stream: it has no examples to learn from, only {test} to "
                "judge it by; leave it out of the domain"
            )
        if train < LEAST:
            raise TlmlError(
                f"task {place} of the stream: it has {train} examples and no test part; {LEAST} "
                "are needed at least, for some judge what is retained"
            )
        held = max(1, round(train * _HELD_OUT))
        return Sizes(train - held, held, divided=True)

    def _checked(self, place: int, name: Part) -> int:
        where = f"task {place} of the stream"
        return check_part(self._dataset(place, name), self.domain.spaces(self.split), where, name)

    def _shown(self, place: int, name: Part) -> Shown:
        sizes = self.sizes()[place]
        if not sizes.divided:
            data = self._split(place, name)
            return Shown(data, torch.arange(len(data)))
        data = self._split(place, "train")
        order = self._permutation(len(data), place, _DIVISION)
        if is_ordered(self._tasks()[place]):  # what comes last judges what was learned before
            order = torch.arange(len(data)).flip(0)
        return Shown(data, order[: sizes.test] if name == "test" else order[sizes.test :])

    def _permutation(self, size: int, *key: int) -> Tensor:
        return torch.from_numpy(keyed_rng(self.seed, "source", *key).permutation(size))

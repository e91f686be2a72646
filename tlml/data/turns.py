"""Episodes by number: target tasks are met in turn, a few of them by disjoint parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from tlml.data.counts import Amounts, Counts, drawn, largest, lowest
from tlml.data.domains import POOL_WAYS, ClassPool, Domain
from tlml.data.episodes import (
    Contents,
    Draw,
    Sizes,
    check_sizes,
    contents_of,
    draw,
    draw_task,
    sizes_of,
)
from tlml.data.parts import Cut, Turn, number_of_parts
from tlml.data.sampling import keyed_rng
from tlml.data.tasks import Finite, Split, is_data_set

ALL_CLASSES = "all classes"
FEW_TASKS = 5  # of fewer, disjoint parts of their examples are what episodes differ in
_ORDER = 0  # the stream of the order of tasks, beside (seed, split, index)


@dataclass(frozen=True)
class NumberedEpisodes:
    """Episode number i of a split: a function of (seed, split, i).

    Source tasks are drawn. Validation and target tasks of a finite domain are met in turn: n
    episodes meet all n tasks. Of fewer than five tasks the examples to query are cut into disjoint
    parts, as many as there are queries for, which are met in turn, too.
    """

    domain: Domain[Any]
    split: Split
    ways: Counts | None
    shots: Amounts
    queries: Amounts
    seed: int

    def __getitem__(self, number: int) -> Draw:
        made = self.draw(number)
        made.check()
        return made

    def draw(self, number: int) -> Draw:
        """Return an episode; that its examples are finite is still to be checked."""
        rng = keyed_rng(self.seed, self.split, number)
        ways = None if self.ways is None else drawn(self.ways, rng)
        turn = self.turn(number)
        cut = None if turn is None else self._cut(turn)
        task = self._task(turn, rng, ways)
        return draw(task, self.shots, self.queries, rng, ways, cut, self._contents(task))

    def turn(self, number: int) -> Turn | None:
        """Return whose turn an episode is; None where tasks are drawn."""
        tasks = self._in_turn()
        if not tasks:
            return None
        visit, place = self._place(number, len(tasks))
        name = ALL_CLASSES if isinstance(self.domain, ClassPool) else self._names[place]
        if len(tasks) >= FEW_TASKS:
            return Turn(name, place=place)
        parts = self._parts[place]
        return Turn(name, visit if parts is None else visit % parts, parts, place)

    def check(self, numbers: Iterable[int]) -> None:
        """Raise where a task whose turn it is has too few examples; nothing is drawn.

        Args:
            numbers: Of the episodes.

        Raises:
            TlmlError: Such a task, by name.
        """
        tasks = self._in_turn()
        if not tasks or isinstance(self.domain, ClassPool):
            return
        asked, sizes = (largest(self.shots), largest(self.queries)), dict[int, Sizes]()
        for number in numbers if self.ways is not None else islice(numbers, len(tasks)):
            rng = keyed_rng(self.seed, self.split, number)
            ways = None if self.ways is None else drawn(self.ways, rng)
            place = self._place(number, len(tasks))[1]
            if isinstance(tasks[place], Finite):
                if place not in sizes:
                    sizes[place] = sizes_of(tasks[place])
                check_sizes(tasks[place], sizes[place], *asked, rng, ways)

    def _place(self, number: int, tasks: int) -> tuple[int, int]:
        """Return which visit of a task an episode is, and the task's place."""
        visit, at = divmod(number, tasks)
        return visit, int(self._order[at])

    # Of one object, the tasks stay the same: they are looked at once.

    @cached_property
    def _order(self) -> Any:
        rng = keyed_rng(self.seed, self.split, 0, 0, _ORDER)
        return rng.permutation(len(self._in_turn()))

    @cached_property
    def _names(self) -> list[str]:
        return _named(self._in_turn())

    @cached_property
    def _parts(self) -> list[int | None]:
        return [number_of_parts(task, self.queries, self.shots) for task in self._in_turn()]

    def _in_turn(self) -> Sequence[Any]:
        """Return the tasks that are met in turn; none where they are drawn."""
        if self.split == "source":
            return ()
        if isinstance(self.domain, ClassPool):
            # Fewer classes than there are make a new task each time; all of them are one task.
            ways = POOL_WAYS if self.ways is None else lowest(self.ways)
            return self.domain.tasks(self.split) if self._whole_pool(ways) else ()
        own = type(self.domain)
        return self.domain.tasks(self.split) if own.draw is Domain.draw else ()

    def _whole_pool(self, ways: int) -> bool:
        assert isinstance(self.domain, ClassPool)
        drawn_by_core = type(self.domain).draw is ClassPool.draw
        return drawn_by_core and ways == len(self.domain.samples(self.split))

    def _task(self, turn: Turn | None, rng: np.random.Generator, ways: int | None) -> Any:
        if turn is None or isinstance(self.domain, ClassPool):  # which draws the labels anew
            return draw_task(self.domain, self.split, rng, ways)
        assert turn.place is not None
        return self.domain.tasks(self.split)[turn.place]

    def _contents(self, task: Any) -> Contents | None:
        """Return what a data set holds, where it will be met again."""
        if not self._stay or not is_data_set(task):
            return None
        known = self._known.get(id(task))
        if known is None:
            known = self._known[id(task)] = task, contents_of(task)
        return known[1]

    @cached_property
    def _stay(self) -> bool:
        """Whether tasks are the same objects whenever they are asked for."""
        if isinstance(self.domain, ClassPool) or type(self.domain).draw is not Domain.draw:
            return False
        one, other = self.domain.tasks(self.split), self.domain.tasks(self.split)
        return len(one) > 0 and one[0] is other[0]

    @cached_property
    def _known(self) -> dict[int, tuple[Any, Contents]]:
        return {}  # beside each task, so that its id stays its own

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was looked at: other processes look themselves."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def _cut(self, turn: Turn) -> Cut | None:
        if turn.part is None or turn.parts is None or turn.place is None:
            return None
        key = (self.seed, self.split, turn.place)
        return Cut(key, turn.part, turn.parts, self.domain.blocks is not None)


def _named(tasks: Sequence[Any]) -> list[str]:
    """Return a name for each task; those that several have get their place."""
    names = [str(getattr(task, "name", place)) for place, task in enumerate(tasks)]
    count = Counter(names)
    return [f"{name} ({place})" if count[name] > 1 else name for place, name in enumerate(names)]

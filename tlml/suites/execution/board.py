"""What is known of each cell of a run, and which may begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from enum import Enum, auto
from itertools import islice

from tlml.suites.cells import Cell


class State(Enum):
    """What is known of a cell."""

    WAITING = auto()  # for what it starts from
    READY = auto()
    RUNNING = auto()  # by our executor
    ELSEWHERE = auto()  # another is at work on it
    DONE = auto()
    FAILED = auto()  # it is not tried again in this run
    BLOCKED = auto()  # what it starts from failed


ENDED = frozenset({State.DONE, State.FAILED, State.BLOCKED})


class Board:
    """The states of all cells of a run.

    Args:
        cells: In the order of the plan; ids differ.
        done: The ids of those that are done.
    """

    def __init__(self, cells: Sequence[Cell], done: Collection[str]) -> None:
        self.cells = {cell.id: cell for cell in cells}
        # What the plan doesn't hold is found missing by whoever starts from it.
        self._before = {
            cell.id: [id for id in cell.waits_for if id in self.cells] for cell in cells
        }
        self._after: dict[str, list[str]] = {id: [] for id in self.cells}
        for id, before in self._before.items():
            for one in before:
                self._after[one].append(id)
        users = self._users()
        self._order = sorted(self.cells, key=lambda id: -users[id])
        self.states = {id: State.DONE if id in done else State.WAITING for id in self.cells}
        self._counts, self._passed = Counter(self.states.values()), 0
        for id in self.cells:
            self._ready_if_so(id)

    def of(self, *states: State) -> list[str]:
        """Return the ids of the cells in some states, those first that most others wait for."""
        if not any(self._counts[state] for state in states):
            return []  # of thousands, which are asked after each cell
        return [id for id in self._order if self.states[id] in states]

    def first(self, state: State, number: int) -> list[str]:
        """Return as many of `of`, or fewer, without a look at those that have ended before."""
        if number <= 0 or not self._counts[state]:
            return []
        order = self._order
        while self._passed < len(order) and self.states[order[self._passed]] in ENDED:
            self._passed += 1
        left = (order[place] for place in range(self._passed, len(order)))
        return list(islice((id for id in left if self.states[id] is state), number))

    def is_over(self) -> bool:
        """Say whether nothing is left to do."""
        return sum(self._counts[state] for state in ENDED) == len(self.states)

    def begin(self, id: str) -> None:
        """Note that our executor has a cell."""
        self._put(id, State.RUNNING)

    def leave(self, id: str) -> None:
        """Note that another is at work on a cell."""
        self._put(id, State.ELSEWHERE)

    def again(self, id: str) -> list[str]:
        """Note that a cell is to be done, or done once more.

        Returns:
            The ids of those that cannot be done, where what it starts from has failed meanwhile.
        """
        self._put(id, State.WAITING)
        self._passed = 0
        for other in self._after[id]:
            if self.states[other] is State.READY:
                self._put(other, State.WAITING)
        if any(self.states[one] in (State.FAILED, State.BLOCKED) for one in self._before[id]):
            self._put(id, State.BLOCKED)
            return [id, *self._block(id)]
        self._ready_if_so(id)
        return []

    def finish(self, id: str) -> None:
        """Note that a cell is done."""
        self._put(id, State.DONE)
        for other in self._after[id]:
            self._ready_if_so(other)

    def fail(self, id: str) -> list[str]:
        """Note that a cell failed, and return the ids of those that cannot be done for it."""
        self._put(id, State.FAILED)
        return list(self._block(id))

    def _block(self, id: str) -> Iterator[str]:
        for other in self._after[id]:
            if self.states[other] in (State.WAITING, State.READY):
                self._put(other, State.BLOCKED)
                yield other
                yield from self._block(other)

    def _ready_if_so(self, id: str) -> None:
        before = (self.states[one] for one in self._before[id])
        if self.states[id] is State.WAITING and all(state is State.DONE for state in before):
            self._put(id, State.READY)

    def _put(self, id: str, state: State) -> None:
        self._counts[self.states[id]] -= 1
        self._counts[state] += 1
        self.states[id] = state

    def _users(self) -> Counter[str]:
        """Count for each cell those that wait for it, directly or not."""
        users: Counter[str] = Counter()
        for id in self.cells:
            todo, seen = list(self._before[id]), set[str]()
            while todo:
                one = todo.pop()
                if one not in seen:
                    seen.add(one)
                    users[one] += 1
                    todo += self._before[one]
        return users

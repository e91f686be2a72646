"""Has the cells of a run done by an executor, each as soon as what it starts from is there.

It decides what is tried when, never what is right: `do_cell` publishes a cell once and whole,
however often it is called. So several of these may work on one folder.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tlml.suites.execution.board import ENDED, Board, State
from tlml.suites.execution.claims import Held
from tlml.suites.execution.silence import Silence, lease
from tlml.suites.executors.base import Executor, Job, Outcome

POLL = 0.5  # seconds between looks at what others do
TRIES = 3  # how often a worker may die of a cell, and a fit be found damaged
_LOSSES = 20  # how often a cell may be taken away


@dataclass(frozen=True, slots=True)
class Seen:
    """What a folder shows of a cell that others do.

    Args:
        done: Whether it is published.
        held: Whose it is, if anybody's.
        failure: Why the last attempt failed, if it did.
    """

    done: bool = False
    held: Held | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What a scheduler looks at and changes beside its executor.

    Args:
        job: Makes the job of a cell, with the claim to take over, if any.
        look: Says what is seen of a cell.
        fail: Writes down why a cell failed.
        ended: Is told of each cell that is done or failed.
        clock: Gives seconds that never go back.
        sleep: Waits for some seconds.
    """

    job: Callable[[str, str | None], Job]
    look: Callable[[str], Seen]
    fail: Callable[[str, str], None]
    ended: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Scheduler:
    """Runs a board until each cell is done or failed.

    Args:
        board: What is to be done.
        executor: Does it.
        world: The folder.
    """

    def __init__(self, board: Board, executor: Executor, world: World) -> None:
        self.board, self.executor, self.world = board, executor, world
        self.failures: dict[str, str] = {}
        self._running: dict[Job, str] = {}
        self._abandoned: set[Job] = set()
        self._steals: dict[str, str] = {}
        self._silence, self._looked = Silence(world.clock), world.clock()
        self._lease = lease()
        self._deaths, self._damages, self._losses = Counter[str](), Counter[str](), Counter[str]()

    def run(self) -> dict[str, str]:
        """Return why cells failed, by id, once nothing is left to do."""
        while not self.board.is_over():
            self._begin()
            if self._running:
                for job, outcome in self.executor.wait(POLL):
                    self._take(job, outcome)
            else:
                self.world.sleep(POLL)
            self._look()
        return self.failures

    def _begin(self) -> None:
        free = self.executor.slots - len(self._running.keys() - self._abandoned)
        for id in self.board.first(State.READY, free):
            job = self.world.job(id, self._steals.pop(id, None))
            self.board.begin(id)
            self._running[job] = id
            self.executor.submit(job)

    def _take(self, job: Job, outcome: Outcome) -> None:
        id = self._running.pop(job)
        if job in self._abandoned:  # the cell is with another job, or was
            self._abandoned.discard(job)
            if outcome.ending == "done":
                self._finish(id)
            return
        if self.board.states[id] in ENDED:  # a job that was given up has done it meanwhile
            return
        match outcome.ending:
            case "done":
                self._finish(id)
            case "failed":
                self._fail(id, outcome.reason)
            case "busy":
                self.board.leave(id)
            case "lost":
                self._lose(id)
            case "damaged":
                self._repair(id, outcome.ids)
            case "gone":
                self._retry(id, outcome.reason)

    def _finish(self, id: str) -> None:
        if self.board.states[id] is not State.DONE:
            self.board.finish(id)
            self.world.ended()

    def _fail(self, id: str, reason: str) -> None:
        self.failures[id] = reason
        self.world.ended()
        self._block(self.board.fail(id))

    def _again(self, id: str) -> None:
        self._block(self.board.again(id))

    def _block(self, ids: Sequence[str]) -> None:
        for blocked in ids:
            failed = (id for id in self.board.cells[blocked].waits_for if id in self.failures)
            kinds = {self.board.cells[id].config["kind"] for id in failed}
            before = "choice of its options" if "choose" in kinds else "fit that it starts from"
            self.failures[blocked] = f"the {before} failed"
            self.world.fail(blocked, self.failures[blocked])
            self.world.ended()

    def _fail_and_say(self, id: str, reason: str) -> None:
        self.world.fail(id, reason)
        self._fail(id, reason)

    def _lose(self, id: str) -> None:
        self._losses[id] += 1
        if self._losses[id] < _LOSSES:
            self.board.leave(id)
        else:
            self._fail_and_say(id, f"its folder was taken away {_LOSSES} times")

    def _retry(self, id: str, how: str) -> None:
        self._deaths[id] += 1
        if self._deaths[id] < TRIES:
            self._again(id)
            return
        killed = "was killed" if how.startswith("killed") else "ended"
        hint = ", perhaps out of memory; fewer --jobs" if how.endswith("SIGKILL") else ""
        self._fail_and_say(id, f"its worker {killed} {TRIES} times ({how}){hint}")

    def _repair(self, id: str, damaged: tuple[str, ...]) -> None:
        self._again(id)
        for fit in damaged:
            if fit not in self.board.cells:
                self._fail_and_say(id, f"{fit}, which it starts from, is not there")
            elif self.board.states[fit] is State.DONE:  # else another has told of it
                self._redo(fit)

    def _redo(self, fit: str) -> None:
        self._damages[fit] += 1
        if self._damages[fit] < TRIES:
            self._again(fit)
        else:
            self._fail_and_say(fit, f"what it left was damaged {TRIES} times")

    def _look(self) -> None:
        now = self.world.clock()
        if now - self._looked >= POLL:
            self._looked = now
            self._look_at_others()
            self._look_at_ours()

    def _look_at_others(self) -> None:
        for id in self.board.of(State.ELSEWHERE):
            seen = self.world.look(id)
            if seen.done:
                self._finish(id)
            elif seen.held is None and seen.failure is not None:
                self._fail(id, seen.failure)
            elif seen.held is None or seen.held.gone:
                self._again(id)
            elif self._is_silent(id, seen.held):
                self._steal(id, seen.held)

    def _look_at_ours(self) -> None:
        for job in [*self._running.keys() - self._abandoned]:
            id = self._running[job]
            held = self.world.look(id).held
            if held is not None and not held.gone and self._is_silent(id, held):
                self._abandoned.add(job)
                self._steal(id, held)

    def _is_silent(self, id: str, held: Held) -> bool:
        return self._silence.of(id, (held.identity, held.beat)) >= self._lease

    def _steal(self, id: str, held: Held) -> None:
        self._steals[id] = held.identity
        self._again(id)

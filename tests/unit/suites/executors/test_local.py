"""The pool's book-keeping, with processes that are none."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from tlml.suites.executors import local as module
from tlml.suites.executors.base import Job, Outcome
from tlml.suites.executors.inline import InlineExecutor
from tlml.suites.executors.local import LocalExecutor, local


class Process:
    """Looks like one; its end is a socket that is closed."""

    def __init__(self, target: Any, args: tuple[Any, ...], daemon: bool) -> None:
        self.exitcode: int | None = None
        self._end, self._other = socket.socketpair()
        self.sentinel = self._end
        self.killed = False

    def start(self) -> None: ...

    def die(self, code: int) -> None:
        self.exitcode = code
        self._other.close()

    def kill(self) -> None:
        self.killed = True

    def join(self) -> None: ...

    def close(self) -> None:
        self._end.close()
        self._other.close()


class Kept:
    """The end of a pipe that a process would get; the test keeps it open."""

    def close(self) -> None: ...


class Context:
    """Starts no process, and keeps what it would be given."""

    def __init__(self) -> None:
        self.made: list[Process] = []
        self.pipes: list[Connection] = []

    def Process(self, **options: Any) -> Process:
        self.made.append(Process(**options))
        return self.made[-1]

    def Pipe(self) -> tuple[Connection, Kept]:
        ours, theirs = Pipe()
        self.pipes.append(theirs)
        return ours, Kept()

    def answer(self, number: int, outcome: Outcome) -> None:
        self.pipes[number].recv()
        self.pipes[number].send(outcome)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    made = Context()
    monkeypatch.setattr(module, "_context", lambda: made)
    return made


@pytest.fixture
def pool(context: Context) -> Iterator[LocalExecutor]:
    made = LocalExecutor(2)
    yield made
    made.close()
    for pipe in context.pipes:
        pipe.close()
    assert all(process.killed for process in context.made)


def job(id: str) -> Job:
    return Job(id, int)


def test_one_job_at_a_time_needs_no_process() -> None:
    assert isinstance(local(1), InlineExecutor)
    assert isinstance(local(2), LocalExecutor)


def test_a_process_is_kept_for_the_next_job(pool: LocalExecutor, context: Context) -> None:
    pool.submit(first := job("a"))
    assert list(pool.wait(0)) == []
    context.answer(0, Outcome("done"))
    assert list(pool.wait(1)) == [(first, Outcome("done"))]
    pool.submit(job("b"))
    pool.submit(job("c"))
    assert len(context.made) == 2


def test_a_process_that_died_says_how_and_is_replaced(
    pool: LocalExecutor, context: Context
) -> None:
    pool.submit(first := job("a"))
    context.made[0].die(-signal.SIGKILL)
    assert list(pool.wait(1)) == [(first, Outcome("gone", "killed by SIGKILL"))]
    pool.submit(second := job("b"))
    assert len(context.made) == 2
    context.made[1].die(1)
    assert list(pool.wait(1)) == [(second, Outcome("gone", "ended with exit status 1"))]


def test_what_was_said_before_the_end_counts(pool: LocalExecutor, context: Context) -> None:
    pool.submit(first := job("a"))
    context.answer(0, Outcome("failed", "so it is"))
    context.made[0].die(0)
    assert list(pool.wait(1)) == [(first, Outcome("failed", "so it is"))]


def test_an_idle_process_that_died_is_replaced_without_a_word(
    pool: LocalExecutor, context: Context
) -> None:
    pool.submit(job("a"))
    context.answer(0, Outcome("done"))
    pool.wait(1)
    context.pipes[0].close()
    pool.submit(job("b"))
    assert [process.killed for process in context.made] == [True, False]


def test_a_job_that_was_given_up_keeps_nobody_from_the_next(
    pool: LocalExecutor, context: Context
) -> None:
    for id in "abc":
        pool.submit(job(id))
    assert len(context.made) == 3


def test_threads_are_limited_while_a_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with module._one_thread():
        assert (module.os.environ["OMP_NUM_THREADS"], module.os.environ["MKL_NUM_THREADS"]) == (
            "1", "1",
        )  # fmt: skip
    assert module.os.environ["OMP_NUM_THREADS"] == "8"
    assert "MKL_NUM_THREADS" not in module.os.environ

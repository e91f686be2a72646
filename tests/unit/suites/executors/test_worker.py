"""What a worker does with its pipe, in this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import Pipe

import pytest

from tlml.suites.executors import worker
from tlml.suites.executors.base import Outcome
from tlml.suites.executors.worker import serve


def variables(*names: str) -> Outcome:
    return Outcome("done", " ".join(os.environ.get(name, "-") for name in names))


def test_jobs_are_done_until_the_pipe_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "end_with_parent", lambda: None)
    heard: list[object] = []
    monkeypatch.setattr(worker.signal, "signal", lambda *given: heard.append(given))
    monkeypatch.setattr(os, "environ", {"TLML_BLOCK": "maml", "OLD": "1"})
    jobs: list[Callable[[], Outcome]] = [
        partial(variables, "TLML_BLOCK", "OLD", "NEW", "OMP_NUM_THREADS"),
        partial(Outcome, "failed", "so it is"),
    ]
    outcomes: list[Outcome] = []

    class End:
        """Gives the two jobs, then its end."""

        def recv(self) -> Callable[[], Outcome]:
            if not jobs:
                raise EOFError
            return jobs.pop(0)

        def send(self, outcome: Outcome) -> None:
            outcomes.append(outcome)

    serve(End(), {"NEW": "2"})  # type: ignore[arg-type]
    assert outcomes == [Outcome("done", "- - 2 1"), Outcome("failed", "so it is")]
    # Ctrl-C reaches all processes of a terminal, and the command decides.
    assert heard == [(signal.SIGINT, signal.SIG_IGN)]


def test_the_end_of_the_parent_is_waited_for_and_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    ours, theirs = Pipe()
    ours.close()
    worker._await_end(theirs.fileno())
    theirs.close()
    assert ended == [1]


def test_a_process_that_nobody_started_has_no_parent_to_end_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None: ...

        def prctl(self, option: int, value: int) -> None:
            asked.append((option, value))

    monkeypatch.setattr(worker.ctypes, "CDLL", Library)
    monkeypatch.setattr(worker.sys, "platform", "linux")
    worker.end_with_parent()
    assert asked == [(1, signal.SIGKILL)]
    monkeypatch.setattr(worker.sys, "platform", "darwin")
    worker.end_with_parent()
    assert len(asked) == 1

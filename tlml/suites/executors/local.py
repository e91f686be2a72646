"""Jobs side by side in processes of this computer."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from tlml.suites.executors.base import Executor, Job, Outcome
from tlml.suites.executors.inline import InlineExecutor
from tlml.suites.executors.worker import ONE_THREAD, serve

# Imported once for all workers. It brings no plugin, no CUDA and no thread, so it can be forked.
_PRELOAD = "tlml.suites.run_cell"


def local(slots: int) -> Executor:
    """Return what does jobs on this computer: in this process where one at a time is enough."""
    return InlineExecutor() if slots == 1 else LocalExecutor(slots)


class LocalExecutor:
    """Has a process for each job that runs, and keeps it for the next.

    Args:
        slots: Jobs at a time.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._workers: list[_Worker] = []
        self._context: Any = _context()

    def submit(self, job: Job) -> None:
        """Give a job to an idle process, or to a new one."""
        for worker in [one for one in self._workers if one.job is None]:
            if worker.begin(job):
                return
            self._dismiss(worker)
        worker = _Worker(self._context)
        self._workers.append(worker)
        if not worker.begin(job):  # died at once; `wait` says how
            worker.job = job

    def wait(self, timeout: float) -> Iterable[tuple[Job, Outcome]]:
        """Return the jobs that have ended, at the latest after some seconds."""
        busy = [one for one in self._workers if one.job is not None]
        watched = [part for one in busy for part in (one.pipe, one.process.sentinel)]
        ready = set(connection.wait(watched, timeout)) if watched else set()
        ended = []
        for worker in busy:
            if worker.pipe in ready or worker.process.sentinel in ready:
                job, outcome = worker.end()
                ended.append((job, outcome))
                if outcome.ending == "gone":
                    self._dismiss(worker)
        return ended

    def close(self) -> None:
        """Kill all processes: what they were at is begun anew elsewhere, or goes on later."""
        for worker in [*self._workers]:
            self._dismiss(worker)

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.kill()


class _Worker:
    """A process and what it is doing."""

    def __init__(self, context: Any) -> None:
        self.job: Job | None = None
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        # Not a daemon: loaders of a cell may start processes of their own.
        self.process = context.Process(target=serve, args=(theirs, dict(os.environ)), daemon=False)
        with _one_thread():
            self.process.start()
        theirs.close()

    def begin(self, job: Job) -> bool:
        """Send a job; False where the process is not there any more."""
        try:
            self.pipe.send(job.work)
        except OSError:
            return False
        self.job = job
        return True

    def end(self) -> tuple[Job, Outcome]:
        """Take the outcome, or see how the process ended."""
        job, self.job = self.job, None
        assert job is not None
        try:
            outcome = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            outcome = None
        if outcome is None:
            self.process.join()
            outcome = Outcome("gone", _end_of(self.process.exitcode))
        return job, outcome

    def kill(self) -> None:
        """End the process and wait for its end."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


def _context() -> Any:
    """Return how processes are started: forked off one that has imported everything, if possible.

    On macOS system libraries that were imported don't bear a fork.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload([_PRELOAD])
    return context


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a process that starts now have one thread: libraries decide it at their import."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_of(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"

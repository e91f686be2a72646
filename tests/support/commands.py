"""Commands in processes that are forked off one that has imported everything.

A process that imports torch and Lightning takes six seconds for it. Where the import is not the
subject, a command here is one all the same: it has a number, a session, an environment and an exit
status of its own, runs ``python -m tlml`` from its first line, hears signals and can be killed.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from multiprocessing import util
from pathlib import Path
from typing import Any

_STREAMS = ("stdout", "stderr")


class Command:
    """A ``tlml`` that runs.

    Args:
        folder: Where it runs.
        words: What is typed after ``tlml``.
    """

    number = 0

    def __init__(self, folder: Path, *words: str) -> None:
        Command.number += 1
        self._said = [folder / f".{name}{Command.number}" for name in _STREAMS]
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tlml.suites.run_cell"])
        arguments = (words, str(folder), dict(os.environ), [str(path) for path in self._said])
        self._process = context.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return bool(self._process.is_alive())

    @property
    def session(self) -> int:
        """The session of it and of all processes that it starts."""
        return int(self._process.pid)

    def send(self, number: int) -> None:
        """Send a signal to the command itself, not to its workers."""
        os.kill(self._process.pid, number)

    def end(self, seconds: float = 240) -> tuple[int, str]:
        """Return its exit status and what it said."""
        self._process.join(seconds)
        assert not self.runs, "it does not end"
        return self._process.exitcode, "\n".join(path.read_text() for path in self._said)

    def kill(self) -> None:
        """End it with all its processes, whatever state it is in."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()

    def wait_for(self, what: Callable[[], Any], seconds: float = 120) -> None:
        """Wait until something is so while the command runs."""
        until = time.monotonic() + seconds
        while not what() and self.runs:
            assert time.monotonic() < until, "it did not come"
            time.sleep(0.02)


def _run(words: list[str], folder: str, environment: dict[str, str], said: list[str]) -> None:
    """Become the command: what is here is what a shell would do before it starts one."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    _take_default_signals()
    util.spawnv_passfds = _fork_what_forks  # type: ignore[attr-defined]
    sys.argv = ["tlml", *words]
    runpy.run_module("tlml", run_name="__main__", alter_sys=True)


_spawn: Any = util.spawnv_passfds  # type: ignore[attr-defined]


def _fork_what_forks(path: str, args: list[str], fds: list[int]) -> int:
    """Fork the process off which workers are forked, too: it would import everything anew."""
    if "multiprocessing.forkserver" not in args[-1]:
        return int(_spawn(path, args, fds))
    pid = os.fork()
    if pid:
        return pid
    try:
        _close_all_but(fds)
        _take_default_signals()
        exec(args[-1], {})
    finally:
        os._exit(0)


def _close_all_but(fds: list[int]) -> None:
    """Close the files that no process inherits which is started anew."""
    edges = [2, *sorted(fds), os.sysconf("SC_OPEN_MAX")]
    for low, high in pairwise(edges):
        os.closerange(low + 1, high)


def _take_default_signals() -> None:
    """Hear Ctrl-C, which what starts in the background of a shell ignores, and end at SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

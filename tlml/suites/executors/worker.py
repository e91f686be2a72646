"""A worker: a process that does jobs for another and ends with it, whatever ends that."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection

from tlml.suites.executors.base import Outcome

# Small networks lose by threads; a worker has one.
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
}
_PR_SET_PDEATHSIG = 1


def serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Do the jobs that come through a pipe, until it is closed.

    Args:
        pipe: Brings jobs and takes their outcomes.
        environment: The variables of the process that asks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes
    end_with_parent()
    os.environ.clear()
    os.environ.update({**environment, **ONE_THREAD})
    while True:
        try:
            work = pipe.recv()
        except EOFError:
            return
        outcome: Outcome = work()
        pipe.send(outcome)


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=(parent.sentinel,), daemon=True).start()
    if sys.platform == "linux":
        # Where native code holds the interpreter's lock, no thread of Python runs.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await_end(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)

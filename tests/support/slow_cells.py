"""A suite whose cells take a good part of a second, run by commands that are stopped on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tlml.suites.execution.owners import Owner

SUITE: dict[str, Any] = {
    "name": "slow",
    "seeds": 2,
    "episodes": 20,
    "domains": {"sinusoid": {"shots": [5], "view": {"queries": 5}, "learner": {"network": "mlp"}}},
    "fits": {"pretrained": {"learner": "supervised", "view": {"batch_size": 8, "samples": 1200}}},
    "methods": {
        "scratch": {"strategy": "scratch", "options": {"steps": 20}},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 20}},
    },
    "trainer": {"max_epochs": 2},
}


def hear_interrupts() -> None:
    """Let a process end at SIGINT, which what starts in the background of a shell ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Command:
    """A ``tlml bench`` that runs."""

    def __init__(self, folder: Path, out: str, jobs: int, *more: str) -> None:
        (folder / "suite.yaml").write_text(yaml.safe_dump(SUITE))
        self.out = folder / out
        words = ["bench", "suite.yaml", "--out", out, "--jobs", str(jobs), *more]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tlml", *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_interrupts,
        )

    def send(self, number: int) -> None:
        """Send a signal to the command itself, not to its workers."""
        self.process.send_signal(number)

    def end(self, seconds: float = 240) -> tuple[int, str]:
        """Return its exit status and what it said."""
        said, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, said

    def kill(self) -> None:
        """End it with all its processes, whatever state it is in."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def wait_for(self, what: Callable[[], Any], seconds: float = 120) -> None:
        """Wait until something is so while the command runs."""
        until = time.monotonic() + seconds
        while not what() and self.process.poll() is None:
            assert time.monotonic() < until, "it did not come"
            time.sleep(0.02)


def owners(out: Path) -> list[Owner]:
    """Return the processes that are at work on cells."""
    found = []
    for path in out.glob("work/*/claim"):
        with suppress(OSError):
            found.append(Owner.parse(path.read_text()))
    return [owner for owner in found if owner is not None]


def number_of_done(out: Path) -> int:
    return len(list(out.glob("cells/*/result.json")))


def tokens(out: Path) -> dict[str, str]:
    """Return by which attempt each cell was made."""
    paths = sorted(out.glob("cells/*/result.json"))
    return {path.parent.name: json.loads(path.read_text())["token"] for path in paths}

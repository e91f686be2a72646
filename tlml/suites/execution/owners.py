"""Who is at work on a cell, and whether that process is still there."""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that works on a cell.

    Args:
        host: The name of its computer.
        boot: What tells this start of that computer (and container) from others; "" where unknown.
        pid: Its number.
        started: When it started, as the system counts; "" where unknown.
        token: Of its attempt.
    """

    host: str
    boot: str
    pid: int
    started: str
    token: str

    @classmethod
    def here(cls, token: str) -> Owner:
        """Return this process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), _started(os.getpid()), token)

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that a text describes, or None where it describes none."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self)) + "\n"

    def is_gone(self) -> bool:
        """Say whether the process is certainly gone; only its own computer can know."""
        if (self.host, self.boot) != (socket.gethostname(), _boot()):
            return False
        if self.started:
            return _started(self.pid) != self.started
        if sys.platform == "win32":  # os.kill would end the process there
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is another user's
            return False
        return False


@functools.cache
def _boot() -> str:
    """Return the id of this start of the system and of the space in which pids are counted."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a living process started; "" where there is none or the system doesn't say."""
    try:
        # The name of the command, in brackets, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        state, started = fields[0], fields[19]
    except (OSError, IndexError):
        return ""
    return "" if state in "ZX" else started

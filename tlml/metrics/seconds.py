"""How long something takes: by the clock, and of the processor."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seconds:
    """A span of time.

    Args:
        wall: By the clock on the wall, others' work on the same processors included.
        cpu: Of the processor, in all threads of this process.
    """

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, parts: int) -> Seconds:
        return Seconds(self.wall / parts, self.cpu / parts)

    def named(self, what: str = "") -> dict[str, float]:
        """Return both by name, such as ``fit_seconds`` and ``fit_cpu_seconds``."""
        start = f"{what}_" if what else ""
        return {f"{start}seconds": self.wall, f"{start}cpu_seconds": self.cpu}

    def rounded(self) -> Seconds:
        """Return both to milliseconds."""
        return Seconds(round(self.wall, 3), round(self.cpu, 3))


def now() -> Seconds:
    """Return the time, to take differences of."""
    return Seconds(time.perf_counter(), time.process_time())

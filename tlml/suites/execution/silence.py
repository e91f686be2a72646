"""For how long a heartbeat was silent, by the observer's own clock."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable

from tlml.errors import TlmlError

LEASE = 60.0  # seconds of silence after which an owner is taken for dead
BEATS = 6  # signs of life in that time
_LONGEST = 2.0  # seconds that one look may add


def lease() -> float:
    """Return after how many seconds of silence an owner is taken for dead.

    ``TLML_LEASE`` says otherwise, where a file system shows late what others write.

    Raises:
        TlmlError: It is not a number of seconds.
    """
    given = os.environ.get("TLML_LEASE", "")
    try:
        seconds = float(given or LEASE)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise TlmlError(f"TLML_LEASE: must be a number of seconds above 0, is '{given}'")
    return seconds


class Silence:
    """Adds up the time during which signs of life did not change.

    Clocks of computers differ, so only changes are compared. An observer that was stopped itself
    learns nothing of others meanwhile: a look adds two seconds at most.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Hashable, float, float]] = {}

    def of(self, id: str, sign: Hashable) -> float:
        """Return for how many seconds a cell has shown the same sign of life."""
        now = self._clock()
        before, last, seconds = self._seen.get(id, (None, now, 0.0))
        seconds = seconds + min(now - last, _LONGEST) if before == sign else 0.0
        self._seen[id] = sign, now, seconds
        return seconds

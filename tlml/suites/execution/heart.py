"""Signs of life of a process, for all that it is at work on."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Beat = Callable[[], None]


class Heart:
    """Gives signs of life again and again, from one thread.

    A thread for each cell would take longer to start and end than all else that a claim does. It
    ends where nothing was left to beat for, and starts with the next.

    Args:
        every: Seconds between signs.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._beats: list[Beat] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating(self, beat: Beat) -> Iterator[None]:
        """Call a function until the block ends; once more, at most, while it ends."""
        with self._lock:
            self._beats.append(beat)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._beats.remove(beat)

    def _run(self) -> None:
        while True:
            time.sleep(self._every)
            with self._lock:
                beats = tuple(self._beats)
                if not beats:
                    self._thread = None
                    return
            for beat in beats:
                beat()


@functools.cache
def heart(every: float) -> Heart:
    """Return the heart of this process for some rate."""
    return Heart(every)

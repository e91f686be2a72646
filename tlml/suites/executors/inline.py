"""One job after the other in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tlml.suites.executors.base import Job, Outcome


class InlineExecutor:
    """Does one job at a time, when it is waited for."""

    slots = 1

    def __init__(self) -> None:
        self._queue: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def wait(self, timeout: float) -> Iterable[tuple[Job, Outcome]]:
        """Do the first job of the queue, however long that takes."""
        if not self._queue:
            return []
        job = self._queue.popleft()
        return [(job, job.work())]

    def close(self) -> None:
        """Forget what was not begun."""
        self._queue.clear()

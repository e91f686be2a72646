"""Jobs one by one in this process."""

from __future__ import annotations

import os

from tlml.suites.executors.base import Job, Outcome
from tlml.suites.executors.inline import InlineExecutor


def test_jobs_are_done_in_their_order_when_they_are_waited_for() -> None:
    done: list[tuple[str, int]] = []

    def job(id: str) -> Job:
        def work() -> Outcome:
            done.append((id, os.getpid()))
            return Outcome("done")

        return Job(id, work)

    executor = InlineExecutor()
    assert executor.slots == 1
    for id in "ab":
        executor.submit(job(id))
    assert done == []
    ((ended, outcome),) = executor.wait(0.1)
    assert (ended.id, outcome) == ("a", Outcome("done"))
    assert done == [("a", os.getpid())]
    executor.close()
    assert list(executor.wait(0.1)) == []

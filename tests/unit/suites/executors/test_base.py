"""Jobs are told from each other, however equal they look."""

from __future__ import annotations

import pickle
from functools import partial

from tlml.suites.executors.base import Job, Outcome


def test_two_jobs_of_one_cell_differ() -> None:
    work = partial(Outcome, "done")
    first, second = Job("a", work), Job("a", work)
    assert first != second
    assert len({first, second}) == 2
    assert pickle.loads(pickle.dumps(first.work))() == Outcome("done")


def test_outcomes_are_compared_by_what_they_say() -> None:
    assert Outcome("damaged", ids=("f",)) == Outcome("damaged", "", ("f",))

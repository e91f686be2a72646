"""Cells one by one in this process, where one worker is asked for."""

from __future__ import annotations

import os

from joblib import delayed

from tlml.suites.executors.local import parallel


def test_one_worker_is_this_process() -> None:
    with parallel(1, "loky") as run:
        assert set(run(delayed(os.getpid)() for _ in range(3))) == {os.getpid()}


def test_results_come_one_by_one() -> None:
    done: list[int] = []
    with parallel(1, "loky") as run:
        for number in run(delayed(abs)(-i) for i in range(3)):
            done.append(number)
    assert sorted(done) == [0, 1, 2]

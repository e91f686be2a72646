"""Signs of life from one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tlml.suites.execution.heart import Heart, heart


def waits_for(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not what() and time.monotonic() < until:
        time.sleep(0.002)
    return what()


def test_all_beat_from_one_thread_and_it_ends_with_the_last() -> None:
    one, beats, before = Heart(0.005), list[str](), threading.active_count()
    with one.beating(lambda: beats.append("a")):
        with one.beating(lambda: beats.append("b")):
            assert waits_for(lambda: {"a", "b"} <= set(beats))
            assert threading.active_count() == before + 1
        assert waits_for(lambda: beats[-2:] == ["a", "a"])
    assert waits_for(lambda: threading.active_count() == before)
    beats.clear()
    with one.beating(lambda: beats.append("c")):
        assert waits_for(lambda: "c" in beats)


def test_cells_one_after_the_other_share_the_thread() -> None:
    one, threads = Heart(10.0), set()
    for _ in range(3):
        with one.beating(lambda: None):
            threads.add(one._thread)
    assert len(threads) == 1


def test_a_process_has_one_for_each_rate() -> None:
    assert heart(10.0) is heart(10.0) is not heart(9.0)

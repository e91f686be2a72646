"""Spans of time: by the clock, and of the processor."""

from __future__ import annotations

import time

from tlml.metrics.seconds import Seconds, now


def test_sleep_takes_the_clock_and_no_processor() -> None:
    start = now()
    time.sleep(0.05)
    slept = now() - start
    assert slept.wall >= 0.05 > 10 * slept.cpu
    start = now()
    while (worked := now() - start).cpu < 0.02:
        pass
    assert worked.wall >= 0.9 * worked.cpu > 0


def test_spans_add_up_are_shared_and_named() -> None:
    spent = (Seconds(1.0, 0.5) + Seconds(2.0, 0.25) - Seconds(0.5, 0.25)) / 2
    assert spent == Seconds(1.25, 0.25)
    assert spent.named() == {"seconds": 1.25, "cpu_seconds": 0.25}
    assert Seconds(1.23456, 0.1).rounded().named("fit") == {
        "fit_seconds": 1.235, "fit_cpu_seconds": 0.1
    }  # fmt: skip

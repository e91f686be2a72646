"""Silence is counted by the observer's clock, and only while the observer looks."""

from __future__ import annotations

import pytest

from tlml.errors import TlmlError
from tlml.suites.execution.silence import LEASE, Silence, lease


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def looked(silence: Silence, clock: Clock, sign: int, seconds: float, every: float) -> float:
    found = silence.of("a", sign)
    for _ in range(round(seconds / every)):
        clock.now += every
        found = silence.of("a", sign)
    return found


def test_the_same_sign_adds_up_and_another_begins_anew() -> None:
    silence, clock = Silence(clock := Clock()), clock
    assert looked(silence, clock, 1, 30, 0.5) == 30
    assert silence.of("a", 2) == 0
    assert silence.of("b", 1) == 0
    assert looked(silence, clock, 2, LEASE, 0.5) == LEASE


def test_an_observer_that_was_stopped_itself_accuses_nobody() -> None:
    silence, clock = Silence(clock := Clock()), clock
    silence.of("a", 1)
    clock.now += 3600
    assert silence.of("a", 1) <= 2


def test_the_lease_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLML_LEASE", raising=False)
    assert lease() == LEASE
    monkeypatch.setenv("TLML_LEASE", "2.5")
    assert lease() == 2.5


@pytest.mark.parametrize("given", ["a minute", "0", "-1", "nan", "inf"])
def test_a_lease_of_no_length_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TLML_LEASE", given)
    with pytest.raises(TlmlError, match=f"TLML_LEASE: .* above 0, is '{given}'"):
        lease()

"""Numbers: shares without their zero, anything else with three digits that count."""

from __future__ import annotations

import pytest

from tlml.presentation import Interval, number
from tlml.presentation.numbers import ends, seconds

NAN = float("nan")


@pytest.mark.parametrize(
    ("metric", "value", "signed", "text"),
    [
        ("accuracy", 0.8124, False, ".812"), ("accuracy", -0.1, True, "-.100"),
        ("accuracy", 0.1, True, "+.100"), ("accuracy", 1.0, False, "1.000"),
        ("mse", 100.0, False, "100"), ("mse", 0.5, True, "+0.500"), ("mse", NAN, False, None),
        ("accuracy", float("inf"), False, None), ("accuracy", None, False, None),
    ],
)  # fmt: skip
def test_numbers(metric: str, value: float | None, signed: bool, text: str | None) -> None:
    assert number(metric, value, signed) == text


def test_ends_of_what_is_no_interval_have_no_text() -> None:
    assert ends("mse", Interval(2.0, 1.0, 3.0)) == "1.00 to 3.00"
    assert ends("mse", None) is None
    assert ends("mse", Interval(NAN, NAN, NAN)) is None


def test_long_durations_have_no_decimal() -> None:
    assert [seconds(99.94), seconds(100.4)] == ["99.9", "100"]

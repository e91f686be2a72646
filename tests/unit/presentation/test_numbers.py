"""Numbers: shares without their zero, anything else with three digits that count."""

from __future__ import annotations

import pytest

from tlml.presentation import Interval, number
from tlml.presentation.numbers import amount, ends, percent

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


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("fit_seconds", 99.94, "99.9"), ("fit_seconds", 100.4, "100"),
        ("samples_per_second", 1234.5, "1234"), ("gradient_steps", 50.0, "50"),
        ("gradient_steps", 12.5, "12.5"),
    ],
)  # fmt: skip
def test_costs_are_written_by_their_unit(name: str, value: float, text: str) -> None:
    assert amount(name, value) == text


def test_shares_are_said_in_percent() -> None:
    assert (percent(0.1), percent(0.025)) == ("10%", "2.5%")

"""How checks fail."""

from __future__ import annotations

import pytest

from tlml import TlmlError
from tlml.testing import CheckFailed
from tlml.testing.failure import doing, require


def test_it_is_an_error_of_ours_and_an_assertion() -> None:
    assert issubclass(CheckFailed, TlmlError) and issubclass(CheckFailed, AssertionError)


def test_what_holds_passes_and_what_does_not_says_so() -> None:
    require(True, "never said")
    with pytest.raises(CheckFailed, match=r"^domain tides: no x$"):
        require(False, "domain tides: no x")


def test_whatever_a_strangers_code_raises_becomes_one_line() -> None:
    with (
        pytest.raises(CheckFailed) as caught,
        doing("domain tides: drawing", "write draw()"),
    ):
        raise ValueError("too\nlong")
    text = str(caught.value)
    assert text.startswith("domain tides: drawing: ValueError: too")
    assert text.endswith("; write draw()") and "\n" not in text
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failed_check_inside_stays_as_it_is() -> None:
    with pytest.raises(CheckFailed, match=r"^inner$"), doing("outer"):
        require(False, "inner")

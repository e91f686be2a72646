"""How checks fail."""

from __future__ import annotations

import pytest
import torch

from tlml import TlmlError
from tlml.testing import CheckFailed
from tlml.testing.failure import as_it_is, doing, remedy, require


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


def test_an_error_of_ours_is_told_as_it_is() -> None:
    with (
        pytest.raises(CheckFailed, match=r"^protocol tides: no word$"),
        as_it_is("protocol tides: "),
    ):
        raise TlmlError("no word")


def errors() -> list[tuple[Exception, str]]:
    leaf = torch.zeros(2, requires_grad=True)
    found: list[tuple[Exception, str]] = []
    for act, mend in (
        (lambda: leaf.sub_(1), "don't change params"),
        (lambda: leaf.detach().sum().backward(), "take gradients by tlml.gradient"),
        (lambda: torch.func.vmap(lambda x: x.sum().item())(torch.zeros(2, 2)), "batched = True"),
        (lambda: "text".keys(), "yield a dict"),  # type: ignore[attr-defined]
    ):
        with pytest.raises(Exception) as caught:  # torch's own errors
            act()
        found.append((caught.value, mend))
    return found


def test_errors_of_beginners_are_mended() -> None:
    for error, mend in errors():
        assert remedy(error).startswith(mend)
    assert remedy(ValueError("something else")) == ""

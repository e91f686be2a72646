from __future__ import annotations

import math

import pytest

from tlml.errors import (
    TlmlError,
    check_choice,
    check_not_negative,
    check_positive,
    did_you_mean,
    shorten,
    unknown,
)


def test_an_error_of_ours_is_a_value_error() -> None:
    assert issubclass(TlmlError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("mlam", ["maml", "sgd"], "; did you mean maml?"),
        ("xyz", ["sgd", "maml", "sgd"], "; choose from maml, sgd"),
        ("xyz", [], ""),
        ("", ["maml"], "; choose from maml"),
    ],
)
def test_the_hint_is_a_near_name_or_all_there_are(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, iter(known)) == hint


def test_many_names_are_not_told_in_a_line() -> None:
    names = [f"name{number:02}" for number in range(80)]
    some = "name00, name01, name02, name03, name04"
    assert did_you_mean("xyz", names) == f"; there are 80, such as {some}"
    assert did_you_mean("name799", names) == "; did you mean name79?"
    assert did_you_mean("x" * 10**6, names).startswith("; there are 80")


def test_long_values_are_cut() -> None:
    assert shorten("x" * 10_000) == "x" * 60 + "..."
    assert shorten([1, 2]) == "[1, 2]"
    assert shorten("short") == "short"
    assert str(unknown("learner", "x" * 10_000, ["maml"])) == (
        f"no learner is called '{'x' * 60}...'; choose from maml"
    )


def test_an_unknown_name_says_its_kind() -> None:
    error = unknown("learner", "mlam", ["maml"])
    assert isinstance(error, TlmlError)
    assert str(error) == "no learner is called 'mlam'; did you mean maml?"


@pytest.mark.parametrize("value", [0, -1, -0.5, math.nan])
def test_what_must_be_positive_is(value: float) -> None:
    check_positive(steps=1, lr=0.1, seconds=None)
    with pytest.raises(TlmlError) as caught:
        check_positive(steps=1, lr=value)
    assert str(caught.value) == f"lr: must be greater than 0, is {value}"


@pytest.mark.parametrize("value", [-1, -0.5, math.nan])
def test_what_must_not_be_negative_is_not(value: float) -> None:
    check_not_negative(noise=0, seconds=None)
    with pytest.raises(TlmlError) as caught:
        check_not_negative(noise=value)
    assert str(caught.value) == f"noise: must be at least 0, is {value}"


def test_a_choice_is_one_of_them() -> None:
    check_choice("head", "kept", ["kept", "new"])
    with pytest.raises(TlmlError) as caught:
        check_choice("head", "newer", iter(["kept", "new"]))
    assert str(caught.value) == "head: 'newer' is not one of kept, new"

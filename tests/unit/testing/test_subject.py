"""What all checks do with what can't be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from failing import failure

import tlml
from tlml.testing import check_domain, check_strategy
from tlml.testing.subject import find_subject
from tlml.testing.toys import Planes


@pytest.mark.parametrize(
    ("check", "given", "text"),
    [
        (check_domain, "sinusoids", "no domain is called 'sinusoids'; did you mean sinusoid?"),
        (
            check_strategy,
            Planes,
            "strategy Planes: Planes is not a strategy; make it a subclass of tlml.Strategy",
        ),
        (
            check_domain,
            lambda: 1 / 0,
            "domain <lambda>: making it: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_can_not_be_made_is_told_so(check: Callable[..., None], given: Any, text: str) -> None:
    assert failure(check, given) == text


def test_a_wrong_option_is_told_so() -> None:
    assert failure(check_domain, "sinusoid", options={"noize": 1.0}) == (
        "domain sinusoid: making it: the constructor: no option is called 'noize'; "
        "did you mean noise?"
    )


def test_a_strategy_among_the_options_is_made_anew_for_each() -> None:
    strategy = tlml.strategy("sgd", learn_lr=True)
    subject = find_subject("learner", "maml", None, {"strategy": strategy})
    one, other = subject.make().strategy, subject.make().strategy
    assert len({id(each) for each in (strategy, one, other)}) == 3
    assert one.options == other.options == strategy.options

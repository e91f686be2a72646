"""Options of a suite, check_given one by one."""

from __future__ import annotations

from tlml.registry.options import Option, Options
from tlml.suites.option_problems import TAKEN, check_given, missing
from tlml.yaml_lines import Problem

OPTIONS = Options((Option("lr", "float", "0.1"), Option("steps", "int", None)), more=False)


def problems(given: dict[str, object]) -> list[Problem]:
    return list(check_given(("fits", "pre", "options"), "strategy sgd", OPTIONS, given, TAKEN))


def test_options_that_fit_are_no_problem_and_none_is_asked_for() -> None:
    assert problems({"lr": 0.5}) == []


def test_each_wrong_option_is_a_problem_of_its_own() -> None:
    first, second = problems({"lrr": 0.5, "step": 1})
    assert first.message.endswith("did you mean lr?")
    assert second.message.endswith("did you mean steps?")
    assert first.where == ("fits", "pre", "options")


def test_what_is_set_elsewhere_says_where() -> None:
    (problem,) = problems({"seed": 1})
    assert problem.message == "'seed' is not an option here, it is set by seeds"


def test_what_must_be_given_is_asked_for() -> None:
    (problem,) = missing(("fits",), "strategy sgd", OPTIONS, {"lr": 1.0})
    assert "steps" in problem.message
    assert list(missing(("fits",), "strategy sgd", OPTIONS, {"steps": 1})) == []

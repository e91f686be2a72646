"""A learner with what it learns on."""

from __future__ import annotations

import pytest

from tlml import EpisodeView, GradientLearner
from tlml.testing import CheckFailed
from tlml.testing.learner_trial import Trial, _is_finite
from tlml.testing.subject import find_subject
from tlml.testing.toys import Descent, Planes

SUBJECT = find_subject("learner", GradientLearner, None, None)


def test_each_learner_has_a_strategy_of_its_own() -> None:
    strategy = Descent(steps=2)
    trial = Trial(SUBJECT, Planes(), strategy, {"shots": 2, "queries": 2, "episodes": 4})
    (one, view), (other, _) = trial.make(), trial.make()
    assert isinstance(one, GradientLearner) and isinstance(other, GradientLearner)
    assert one.strategy is not strategy and one.strategy is not other.strategy
    assert one.strategy.options == strategy.options
    assert isinstance(view, EpisodeView) and view.shots == 2


def test_a_given_strategy_takes_its_place() -> None:
    learner, _ = Trial(SUBJECT, Planes(), Descent()).make(strategy="sgd")
    assert type(learner.strategy).__name__ == "Sgd"  # type: ignore[attr-defined]


def test_messages_call_it_by_learner_and_domain() -> None:
    assert Trial(SUBJECT, Planes()).label.endswith(" on Planes")


def test_a_view_that_cannot_be_made_is_told_so() -> None:
    trial = Trial(SUBJECT, Planes(), Descent(), {"shotss": 2})
    with pytest.raises(CheckFailed, match="making its view"):
        trial.make()


@pytest.mark.parametrize("bad", [float("nan"), [1.0, float("inf")], [[1], [float("nan")]]])
def test_lists_of_a_record_are_to_be_finite_throughout(bad: object) -> None:
    assert _is_finite([1, [2.0, 0.5]]) and _is_finite(3)
    assert not _is_finite(bad)

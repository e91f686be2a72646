"""Meta-gradients of a learner are compared between ways to run its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from tlml import GradientLearner
from tlml.testing import CheckFailed
from tlml.testing.learner_gradients import check_gradients, check_paths
from tlml.testing.learner_trial import Trial
from tlml.testing.partners import small_view
from tlml.testing.problem import tiny_episode, tiny_learner
from tlml.testing.subject import find_subject
from tlml.testing.toys import Descent, LearnedRates, Planes


class Twice(Descent):
    """Asks for the gradient twice in each step."""

    def steps(self, loss: Any, params: Any, batch: Any) -> Iterator[Any]:
        for found in super().steps(loss, params, batch):
            loss(found, batch)
            yield found


class Drifting(GradientLearner):
    """Adds a little more to its loss each time."""

    calls = 0

    def meta_loss(self, batch: Any) -> Tensor:
        self.calls += 1
        return super().meta_loss(batch) * (1 + 0.01 * self.calls)


def trial(strategy: Any) -> Trial:
    subject = find_subject("learner", GradientLearner, None, None)
    return Trial(subject, Planes(), strategy, small_view(GradientLearner))


def test_equal_gradients_and_one_loss_a_step_pass() -> None:
    check_gradients(trial(Descent()))


def test_more_than_one_loss_a_step_is_found() -> None:
    with pytest.raises(CheckFailed, match="calls the loss 6 times in 3 inner steps"):
        check_gradients(trial(Twice()))


@pytest.mark.parametrize("path", ["vmap", "stack"])
def test_paths_agree_on_learned_rates_too(path: Any) -> None:
    check_paths("made", tiny_learner(LearnedRates()), tiny_episode(), [path])


def test_a_gradient_that_differs_is_named_with_what_to_mend() -> None:
    learner = tiny_learner(Descent())
    learner.__class__ = Drifting
    with pytest.raises(CheckFailed) as caught:
        check_paths("made", learner, tiny_episode())
    text = str(caught.value)
    assert "the meta-gradient of 'network.blocks.hidden.0.weight' differs between loop" in text
    assert text.endswith("and average inside meta_loss()")

"""Does a learner train, predict, and come back from its checkpoint?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlml import make
from tlml.data.domains import Domain
from tlml.learners.gradient_learner import GradientLearner
from tlml.spec import Spec
from tlml.strategies.strategy import Strategy
from tlml.testing.learner_gradients import check_gradients
from tlml.testing.learner_trial import Trial, check_optimizer, check_trial
from tlml.testing.partners import domains_for, small_view, strategy_for
from tlml.testing.subject import Given, find_subject


def check_learner(
    learner: Given,
    spec: Spec | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    domain: Domain[Any] | str | None = None,
    strategy: Strategy | str | None = None,
    view: Mapping[str, Any] | None = None,
) -> None:
    """Check that a learner trains, predicts, and comes back from its checkpoint and from pickle.

    It is made several times, fitted for two batches and tested on two tasks, all in this process.

    Args:
        learner: A registered name, a class path, a class, an object, or a function that makes one.
        spec: What it declares; that of the registered name where None.
        options: Of its constructor.
        domain: What it learns on; small toy domains that give what it needs where None.
        strategy: What it learns with; its default where None.
        view: Options of its view, instead of those that make it small.

    Raises:
        CheckFailed: The first thing that is wrong, in one line.
    """
    subject = find_subject("learner", learner, spec, options)
    cls = subject.cls
    carried = make.strategy(strategy) if isinstance(strategy, str) else strategy
    carried = carried or strategy_for(subject, cls)
    known = [make.domain(domain) if isinstance(domain, str) else domain] if domain else None
    for found in known or domains_for(subject, cls):
        trial = Trial(subject, found, carried, {**small_view(cls), **(view or {})})
        check_trial(trial)
        check_optimizer(trial)
        if issubclass(cls, GradientLearner):
            check_gradients(trial)

"""What loggers are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tiny import Letters

import tlml
from tlml import EpisodeView
from tlml.learners.run_log import LogConfiguration, configuration


def test_learner_and_view_are_told_with_what_they_hold() -> None:
    learner = tlml.learner("maml", strategy=tlml.strategy("sgd", steps=3))
    found = configuration(learner, EpisodeView(Letters(), ways=2))
    assert found["learner"]["name"] == "maml"
    assert found["learner"]["options"]["strategy"]["options"]["steps"] == 3
    assert found["view"]["options"]["domain"]["name"].endswith("Letters")
    assert set(configuration(learner, None)) == {"learner"}
    assert set(configuration(learner, EpisodeView(Letters()), "test")) == {"learner", "test_view"}


def test_each_logger_is_told_once_on_the_first_process() -> None:
    told: list[dict[str, Any]] = []
    logger = SimpleNamespace(log_hyperparams=told.append)
    learner: Any = tlml.learner("maml")
    learner.current_view = lambda: EpisodeView(Letters(), ways=2)
    for first in (True, False):
        trainer: Any = SimpleNamespace(is_global_zero=first, loggers=[logger, logger])
        LogConfiguration().setup(trainer, learner, "fit")
    assert len(told) == 2 and set(told[0]) == {"learner", "view"}

"""Options that are read from sources, and which views a learner trains on."""

from __future__ import annotations

import sys

from tlml import Spec, hookimpl
from tlml.registry import Registry
from tlml.suites.schema import SuiteFit
from tlml.suites.sources import Sources


def test_options_are_read_without_importing(registry: Registry) -> None:
    sources = Sources(Registry())
    names = [option.name for option in sources.of("learner", "maml").known]
    assert {"network", "lr", "strategy"} <= set(names)
    assert sources.of("learner", "maml") is sources.of("learner", "maml")  # read once


def test_what_cannot_be_read_takes_anything() -> None:
    class Plugin:
        @hookimpl
        def tlml_learners(self) -> list[Spec]:
            return [Spec("lost", "no_such_module:Lost", "is lost")]

    registry = Registry()
    registry.register(Plugin(), "lost")
    found = Sources(registry).of("learner", "lost")
    assert (found.known, found.more) == ((), True)
    assert "no_such_module" not in sys.modules


def test_the_views_of_a_learner_follow_from_its_needs() -> None:
    sources = Sources(Registry())
    assert "episodes" in sources.words("maml") and "pair" not in sources.words("maml")
    assert sources.pairs("supervised") and not sources.pairs("maml")
    assert not sources.streams("maml")
    names = {option.name for option in sources.views("maml").known}
    assert "tasks_per_batch" in names and "unlabelled" not in names
    assert "unlabelled" in {option.name for option in sources.views(None).known}


def test_a_fit_is_trained_with_its_learners_default_strategy_by_name_or_with_options() -> None:
    sources = Sources(Registry())
    trained = {
        name: sources.trained_with(SuiteFit(learner=name)) for name in ("maml", "maml_rl", "ppo")
    }
    assert trained == {"maml": "sgd", "maml_rl": "sgd", "ppo": None}
    assert sources.trained_with(SuiteFit(learner="maml", strategy="meta_sgd")) == "meta_sgd"

"""A method that meets a domain: what it is configured by, and why it does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from planned import example, planned

from tlml.registry import Registry


def config(registry: Registry, method: str, **changes: Any) -> dict[str, Any]:
    made = planned(registry, **changes)
    cells = [cell for cell in made.adapts if cell.method == method and cell.domain == "waves"]
    return dict(cells[0].config)


def refusals(registry: Registry, **methods: Any) -> dict[str, str]:
    made = planned(registry, methods={**example()["methods"], **methods})
    return {refused.name: refused.reason for refused in made.refused}


def test_a_method_with_a_fit_has_its_learner_and_options(registry: Registry) -> None:
    found = config(registry, "maml")
    assert (found["learner"], found["strategy"], found["protocol"]) == ("maml", "sgd", "episodes")
    assert len(found["fits"]) == 1
    # What the method says comes over what its fit says of the same strategy.
    assert found["strategy_options"] == {"lr": 0.4, "steps": 5}


def test_a_method_without_one_starts_from_an_untrained_learner(registry: Registry) -> None:
    found = config(registry, "scratch")
    assert (found["learner"], found["fits"], found["strategy_options"]) == ("supervised", [], {})


def test_a_domain_may_have_its_own_number_of_episodes(registry: Registry) -> None:
    domains = {"waves": {"shots": 5, "episodes": 7}}
    assert config(registry, "full", domains=domains)["view"]["episodes"] == 7


@pytest.mark.parametrize("fit", ["pre", "maml"])
def test_a_strategy_of_training_does_nothing_in_a_test(registry: Registry, fit: str) -> None:
    aligned = {"fit": fit, "strategy": "mmd", "options": {"weight": 1.0}}
    reasons = refusals(registry, aligned=aligned).values()
    assert reasons and all("mmd" in reason for reason in reasons)

"""A method that meets a domain: what it is configured by, and why it does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from planned import example, planned

from tlml.registry import Registry
from tlml.suites.protocols.episodes import EpisodesProtocol


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


def test_options_that_the_fit_tunes_are_not_fixed_for_its_methods(registry: Registry) -> None:
    fit = {"learner": "maml", "strategy": "sgd", "strategy_options": {"lr": 0.4, "steps": 2}}
    for tune in ({"lr": [0.1, 1, "log"]}, {"strategy.lr": [0.1, 1, "log"]}):
        fits = {"maml": {**fit, "tune": tune}}
        found = config(registry, "m", fits=fits, methods={"m": {"fit": "maml"}})
        assert found["strategy_options"] == {"steps": 2}


def test_a_protocol_that_chooses_no_fits_leaves_out_methods_with_tuned_ones(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpisodesProtocol, "chooses_fits", False)
    fits = {"maml": {"learner": "maml", "tune": {"learner.lr": [0.1, 1, "log"]}}}
    methods = {"m": {"fit": "maml"}, "s": {"strategy": "scratch"}}
    made = planned(registry, fits=fits, methods=methods)
    assert made.fits == () and {refused.name for refused in made.refused} == {"m"}
    assert made.refused[0].reason == (
        "its fit maml is tuned on episodes of validation tasks, which protocol episodes does not "
        "use; tune nothing in it, or give another criterion"
    )

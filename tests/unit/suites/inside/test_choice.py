"""How options are chosen, and by an oracle."""

from __future__ import annotations

from typing import Any

import pytest
from planned import ALIGNED, example

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import Suite, plan


def test_a_fit_is_tuned_by_its_criterion_and_the_oracle_by_target_labels(
    registry: Registry,
) -> None:
    fit = {
        **ALIGNED,
        "strategy_options": {},
        "tune": {"weight": {"values": [0.1, 1.0]}},
        "criterion": "entropy",
    }
    changes: dict[str, Any] = {
        "seeds": 1, "episodes": 1, "domains": {"letters": {"shots": 0}},
        "fits": {"aligned": fit},
        "methods": {"mmd": {"fit": "aligned"}, "s": {"strategy": "full"}},
    }  # fmt: skip
    suite = Suite.model_validate(example(**changes))
    fair, bound = plan(suite, registry), plan(suite, registry, oracle=True)
    assert [fit.config["criterion"] for fit in fair.fits] == ["entropy"]
    assert fair.methods == ("mmd", "s")
    assert bound.methods == ("mmd", "mmd (oracle)", "s")
    # What is fair is the same cell with and without the bound beside it.
    assert {cell.id for cell in fair.adapts} < {cell.id for cell in bound.adapts}
    assert sorted(fit.config["criterion"] for fit in bound.fits) == [
        "entropy",
        "target labels (oracle)",
    ]


def test_the_oracle_of_a_method_chooses_on_the_episodes_of_the_test(registry: Registry) -> None:
    made = plan(Suite.model_validate(example()), registry, oracle=True)
    criteria = {cell.method: cell.config["criterion"] for cell in made.adapts}
    assert criteria == {
        "scratch": None,
        "full": "validation tasks",
        "full (oracle)": "target labels (oracle)",
        "maml": None,
    }


def test_without_a_choice_there_is_no_oracle(registry: Registry) -> None:
    suite = Suite.model_validate(example(methods={"s": {"strategy": "scratch"}}))
    message = "oracle: nothing is tuned in suite quick, so there is no choice"
    with pytest.raises(TlmlError, match=f"^{message}"):
        plan(suite, registry, oracle=True)

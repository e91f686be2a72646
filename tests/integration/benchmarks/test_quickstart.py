"""The settings of the quickstart: chosen by benchmarks/quickstart.py, equal budgets for all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.quickstart import (
    GRIDS,
    RECORD,
    Choice,
    choices,
    choose,
    differences,
    settings,
    tuning_suite,
)
from tlml.registry import default_registry
from tlml.suites import Record, load_suite, plan
from tlml.suites.results import Planned, Results
from tlml.suites.tuning import choices_of
from tlml.yaml_lines import load_located


@pytest.fixture(scope="module")
def record() -> Any:
    return json.loads(RECORD.read_text())


def test_the_quickstart_reads_as_was_chosen(record: Any) -> None:
    assert differences(load_suite("quickstart"), record["chosen"]) == []
    assert record["grids"] == load_located(GRIDS).data
    assert {*record["chosen"]["methods"]} == {*load_suite("quickstart").methods}


def test_all_methods_choose_among_as_many_without_a_target_episode_of_the_demo() -> None:
    suite = tuning_suite(load_located(GRIDS).data)
    made = plan(suite, default_registry())
    budgets = {
        cell.method: len(cell.config.get("choices", [{}])) * len([*choices_of(cell.config["tune"])])
        for cell in made.adapts
    }
    assert {*budgets} == {*suite.methods} and len({*budgets.values()}) == 1
    assert {cell.config["criterion"] for cell in made.adapts} == {"validation tasks"}
    assert {cell.config["view"]["episodes"] for cell in made.adapts} == {1}
    assert not {*suite.seeds} & {*load_suite("quickstart").seeds}


def test_a_shared_fit_has_what_is_best_for_its_methods_together() -> None:
    def tried(**risks: float) -> list[Choice]:
        return [
            Choice({"learner.lr": int(fit[1])}, {"lr": int(own)}, risk)
            for (fit, own), risk in ((name.split("_"), risk) for name, risk in risks.items())
        ]

    found = choose(
        {
            "full": tried(f1_1=0.1, f1_2=0.9, f2_1=0.3, f2_2=0.2),
            "probe": tried(f1_1=0.9, f1_2=0.8, f2_1=0.3, f2_2=0.4),
            "scratch": [Choice({}, {"lr": 1}, 0.5), Choice({}, {"lr": 2}, 0.4)],
        },
        {"full": "pre", "probe": "pre", "scratch": None},
    )
    methods = {"full": {"lr": 2}, "probe": {"lr": 1}, "scratch": {"lr": 2}}
    assert found == {"fits": {"pre": {"learner.lr": 2}}, "methods": methods}
    assert settings(found)["fits"] == {"pre": {"options": {"lr": 2}}}


def test_risks_are_means_over_domains_and_shots() -> None:
    def cell(id: str) -> dict[str, Any]:
        return {"id": id * 16, "domain": "d", "protocol": "episodes", "point": {"shots": 1},
                "seed": 0, "method": "m", "fits": []}  # fmt: skip

    def measured(*risks: float) -> tuple[Record]:
        tried = [
            {"options": {"learner.lr": 1, "lr": number}, "risk": risk}
            for number, risk in enumerate(risks)
        ]
        return (Record.model_validate({"point": {"shots": 1}, "metric": "accuracy", "units": [0],
                "higher_is_better": True, "scores": [0], "tried": tried}),)  # fmt: skip

    made = Planned.model_validate({
        "name": "x", "baseline": "m", "methods": ["m"], "domains": ["d"], "fits": [],
        "adapts": [cell("a"), cell("b")], "refused": [],
    })  # fmt: skip
    found = choices(Results(made, {"a" * 16: measured(1, 2), "b" * 16: measured(3, 6)}, {}), "m")
    assert found == [Choice({"learner.lr": 1}, {"lr": n}, risk) for n, risk in ((0, 2), (1, 4))]

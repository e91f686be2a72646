"""Options of fits are chosen on validation tasks, as each method adapts; each is trained once."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_suite import SUITE, results

from tlml.cli.bench import main
from tlml.registry import default_registry
from tlml.reports import report, to_json
from tlml.suites import Plan, load_suite, plan, run_suite
from tlml.suites.inside import fit as cell_fit

GOOD, ABSURD, DIVERGING = 0.01, 1e-9, 1e30
TUNED: dict[str, Any] = {
    **SUITE,
    "seeds": 1,
    "fits": {
        "maml": {
            "learner": "maml",
            "options": {"lr": 0.01},
            "strategy": "sgd",
            "strategy_options": {"steps": 1},
            "tune": {"strategy.lr": {"values": [DIVERGING, ABSURD, GOOD]}},
            "view": {"shots": 5, "episodes": 40, "val_episodes": 4},
        },
        "pretrained": {
            "learner": "supervised",
            "view": {"batch_size": 8, "samples": 80},
            "tune": {"learner.lr": {"values": [GOOD, 1e3]}, "trainer.max_epochs": {"values": [1]}},
        },
    },
    "methods": {
        "scratch": {"strategy": "scratch", "options": {"steps": 2}},
        "maml": {"fit": "maml"},
        "long": {"fit": "maml", "tune": {"steps": {"values": [1, 3]}}},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 2}},
    },
}


def planned(folder: Path, suite: dict[str, Any], oracle: bool = False) -> Plan:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    return plan(load_suite(path), default_registry(), oracle=oracle)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path, Counter[str]]]:
    """A suite that was killed while its fourth choice was trained, and went on."""
    folder = tmp_path_factory.mktemp("tuned")
    made, trained = planned(folder, TUNED, oracle=True), Counter[str]()
    train = cell_fit.train

    def counting(config: dict[str, Any], *rest: Any) -> Any:
        if sum(trained.values()) == 3 and "killed" not in trained:
            trained["killed"] += 1
            raise KeyboardInterrupt
        trained[json.dumps(config["tried"])] += 1
        return train(config, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_fit, "train", counting)
        with pytest.raises(KeyboardInterrupt):
            run_suite(made, folder / "out", jobs=1)
        assert run_suite(made, folder / "out", jobs=1) == []
    yield made, folder / "out", trained


def cell(done: tuple[Plan, Path, Any], method: str) -> dict[str, Any]:
    made, out, _ = done
    (id,) = [one.id for one in made.adapts if one.method == method]
    found: dict[str, Any] = results(out)[id]
    return found


def test_each_choice_is_trained_once_for_all_methods(done: tuple[Plan, Path, Any]) -> None:
    made, _, trained = done
    assert trained.pop("killed") == 1
    assert set(trained.values()) == {1} and len(trained) == len(made.fits) == 3 + 2
    for one in made.adapts:
        assert len(one.fits) == {"scratch": 0, "full": 2, "full (oracle)": 2}.get(one.method, 3)


def test_the_inner_rate_that_adapts_best_is_taken(done: tuple[Plan, Path, Any]) -> None:
    found = cell(done, "maml")
    assert found["options"] == {"steps": 1, "lr": GOOD, "strategy.lr": GOOD}
    assert (found["chosen_by"], found["choices"]) == ("validation tasks", 3)
    tried = {one["options"]["strategy.lr"]: one["risk"] for one in found["tried"]}
    assert tried[GOOD] < tried[ABSURD] < tried[DIVERGING] == math.inf
    assert found["edges"] == {}


def test_a_choice_that_diverged_is_a_result(done: tuple[Plan, Path, Any]) -> None:
    made, out, _ = done
    (id,) = [one.id for one in made.fits if one.tried == {"strategy.lr": DIVERGING}]
    assert "error" in results(out)[id] and not (out / "work" / id / "failed.json").exists()
    assert run_suite(made, out, jobs=1) == []


def test_options_of_fit_and_method_are_chosen_together(done: tuple[Plan, Path, Any]) -> None:
    found = cell(done, "long")
    assert found["choices"] == len(found["tried"]) == 3 * 2
    assert found["options"]["strategy.lr"] == found["options"]["lr"] == GOOD
    best = min(found["tried"], key=lambda one: float(one["risk"]))
    assert best["options"]["steps"] == found["options"]["steps"]
    assert found["cost"]["tuning_seconds"] > 0


def test_options_of_learner_and_trainer_are_chosen(done: tuple[Plan, Path, Any]) -> None:
    found = cell(done, "full")
    assert found["options"] == {"steps": 2, "learner.lr": GOOD, "trainer.max_epochs": 1}
    others = [one for one in done[0].fits if one.tried.get("learner.lr") == 1e3]
    spent = results(done[1])[others[0].id]["cost"]["fit_seconds"]
    assert found["cost"]["tuning_seconds"] > spent


def test_the_oracle_chooses_among_the_same_fits(done: tuple[Plan, Path, Any]) -> None:
    found, fair = cell(done, "maml (oracle)"), cell(done, "maml")
    assert found["chosen_by"] == "target labels (oracle)"
    assert found["fits"] == fair["fits"]
    assert sum(found["scores"]) <= sum(fair["scores"])  # of errors


def test_the_report_tells_choices_and_budgets(done: tuple[Plan, Path, Any]) -> None:
    made = report(done[1])
    rows = {row["method"]: row for row in json.loads(to_json(made))["rows"]}
    assert rows["maml"]["fit"] == "maml"
    assert [one["options"] for one in rows["maml"]["tried"]][-1] == {"strategy.lr": GOOD}
    assert next(one["risk"] for one in rows["maml"]["tried"]) is None  # infinite


def test_choices_that_can_not_work_are_listed_and_the_others_chosen_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = {"learner.network": {"values": ["conv4", "mlp", "gru"]}}
    fits = {"pretrained": {**TUNED["fits"]["pretrained"], "tune": tune}}
    methods = {
        "scratch": {"strategy": "scratch", "options": {"steps": 1}},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 1}},
        "lora": {
            "fit": "pretrained", "strategy": "lora", "options": {"steps": 1},
            "tune": {"rank": {"values": [1, 1000]}},
        },
    }  # fmt: skip
    suite = {**TUNED, "fits": fits, "methods": methods}
    made = planned(tmp_path, suite)
    command = ["bench", str(tmp_path / "suite.yaml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--dry-run"]) == 0
    listed = [line for line in capsys.readouterr().out.splitlines() if "is not run" in line]
    start = "  sinusoid: fit pretrained with learner.network={0} is not run: network {0}: needs in"
    assert len(listed) == 2
    for line, name in zip(listed, ("conv4", "gru"), strict=True):
        assert line.startswith(start.format(name))
    for _ in range(2):  # once it is done, too
        assert main([*command, "--jobs", "1"]) == 0
        said = capsys.readouterr().out.splitlines()
        lost = [line.partition(": network")[0] for line in said if line.startswith("not chosen")]
        assert lost[:2] == [
            f"not chosen from on sinusoid: learner.network={name} (full)"
            for name in ("conv4", "gru")
        ]
        assert any("learner.network=mlp, rank=1000 (lora): lora: rank=1000" in one for one in said)
    found = {one.method: results(tmp_path / "out")[one.id] for one in made.adapts}
    assert found["full"]["options"]["learner.network"] == "mlp"
    assert [math.isinf(one["risk"]) for one in found["full"]["tried"]] == [True, False, True]
    assert found["lora"]["options"] == {"steps": 1, "rank": 1, "learner.network": "mlp"}

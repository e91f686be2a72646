"""Files of episodes in tests and suites."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import MLP, Letters
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, write_episodes
from tlml.registry import default_registry

FIXED: dict[str, Any] = {"ways": 3, "shots": 2, "queries": 4, "episodes": 6, "seed": 5}


RAGGED: dict[str, Any] = {**FIXED, "ways": [2, 4], "shots": [1, 3], "queries": [2, 4]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return "tasks.npz"


@pytest.mark.parametrize("options", [FIXED, RAGGED])
def test_a_test_on_the_file_measures_what_one_on_the_domain_does(
    options: dict[str, Any], path: str
) -> None:
    view = EpisodeView(Letters(), **options, adapt=tlml.strategy("full", steps=2))
    write_episodes(path, view)
    again = EpisodeView(Letters(), file=path, seed=5, adapt=tlml.strategy("full", steps=2))
    learner = tlml.learner("maml", **MLP)
    learner.meet(view.test_spaces)
    found = []
    for one in (view, again):
        logged = quiet_trainer().test(learner, datamodule=one, verbose=False)[0]
        records = [{**r, "seconds": 0, "cpu_seconds": 0} for r in learner.records]
        found.append((records, logged["test_accuracy"], logged["test_loss"]))
    assert len(found[0][0]) == 6 and found[0] == found[1]


def test_a_suite_tests_on_a_file(path: str) -> None:
    from tlml.suites import load_suite, plan, run_suite

    view = EpisodeView(tlml.domain("sinusoid"), shots=3, queries=4, episodes=3, seed=7)
    write_episodes(path, view)
    suite: dict[str, Any] = {
        "name": "filed", "seeds": 1, "episodes": 3, "trainer": {"max_steps": 1},
        "domains": {"sinusoid": {
            "shots": [3], "view": {"file": path, "queries": 4}, "learner": {"network": "mlp"}
        }},
        "fits": {"maml": {"learner": "maml", "strategy": "sgd",
                          "view": {"shots": 2, "episodes": 8, "val_episodes": 2}}},
        "methods": {"maml": {"fit": "maml", "tune": {"lr": {"values": [0.1, 0.01]}}}},
    }  # fmt: skip
    Path("suite.yaml").write_text(yaml.safe_dump(suite))
    made = plan(load_suite("suite.yaml"), default_registry())
    assert run_suite(made, Path("out"), jobs=1) == []
    cell = made.adapts[0]
    found = json.loads((Path("out") / "cells" / cell.id / "result.json").read_text())
    learner = tlml.load(Path("out") / "cells" / made.fits[0].id / "last.ckpt")
    strategy = tlml.strategy("sgd", **found["options"])
    again = EpisodeView(tlml.domain("sinusoid"), file=path, adapt=strategy)
    quiet_trainer().test(learner, datamodule=again, verbose=False)
    assert found["scores"] == [record["mse"] for record in learner.records]
    suite["domains"]["sinusoid"]["shots"] = [3, 4]
    Path("suite.yaml").write_text(yaml.safe_dump(suite))
    wrong = plan(load_suite("suite.yaml"), default_registry())
    assert run_suite(wrong.only(["maml"]), Path("out"), jobs=1) == []
    (refused,) = json.loads((Path("out") / "plan.json").read_text())["refused"]
    assert refused["at"] == "4 shots"
    assert re.search(r"shots: 4 was asked for, .*tasks\.npz have 3$", refused["reason"])

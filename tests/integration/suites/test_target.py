"""Suites whose fits see the target: a fit for each episode, chosen without target labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tlml.cli.bench import main
from tlml.errors import TlmlError
from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import Plan, load_suite, plan, run_suite

SUITE: dict[str, Any] = {
    "name": "shifted",
    "seeds": 1,
    "episodes": 2,
    "domains": {
        "digits": {
            "shots": [0, 1],
            "options": {"size": 8, "variants": 8},
            "view": {"ways": 10, "queries": 5, "batch_size": 256},
            "learner": {"network": "mlp"},
        }
    },
    "fits": {
        "pretrained": {"learner": "supervised"},
        "joint": {"learner": "supervised", "labels": True},
        "aligned": {
            "learner": "supervised",
            "strategy": "coral",
            "view": {"unlabelled": True},
            "tune": {"weight": {"values": [0.0, 1.0]}},
            "criterion": "entropy",
        },
    },
    "methods": {
        "source": {"fit": "pretrained", "strategy": "as_trained"},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 2}},
        "joint": {"fit": "joint", "strategy": "as_trained"},
        "coral": {"fit": "aligned", "strategy": "as_trained"},
    },
    "trainer": {"max_epochs": 1, "limit_train_batches": 3},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path]]:
    folder = tmp_path_factory.mktemp("shifted")
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(SUITE))
    made = plan(load_suite(path), default_registry(), oracle=True)
    assert run_suite(made, folder / "out", jobs=1) == []
    yield made, folder / "out"


def result(out: Path, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "cells" / id / "result.json").read_text())
    return found


def test_each_episode_is_tested_with_its_own_fit(done: tuple[Plan, Path]) -> None:
    made, out = done
    for cell in made.adapts:
        found = result(out, cell.id)
        assert found["episodes"] == [0, 1]
        own = {"joint": 2 if cell.point["shots"] else 1, "coral": 2, "coral (oracle)": 2}
        assert len(cell.fits) == own.get(cell.method, 1)
    # Labels come to the fit of their episode, and only there.
    joint = {cell.point["shots"]: result(out, cell.id)["losses"] for cell in made.adapts
             if cell.method == "joint"}  # fmt: skip
    source = next(result(out, c.id)["losses"] for c in made.adapts
                  if c.method == "source" and not c.point["shots"])  # fmt: skip
    assert joint[0] == source
    assert joint[1] != source


def test_without_labels_methods_that_need_them_predict_as_trained(done: tuple[Plan, Path]) -> None:
    made, out = done
    first = {cell.method: result(out, cell.id) for cell in made.adapts if cell.point["shots"] == 0}
    assert first["full"]["scores"] == first["source"]["scores"]
    assert first["full"]["cost"]["labels"] == 0
    assert first["full"]["cost"]["gradient_steps"] == 0


def test_the_choice_is_the_one_of_least_risk(done: tuple[Plan, Path]) -> None:
    made, out = done
    tuned = [fit for fit in made.fits if fit.name == "aligned"]
    assert {fit.config["criterion"] for fit in tuned} == {"entropy", "target labels (oracle)"}
    for fit in tuned:
        found = result(out, fit.id)
        assert found["options"] == found["choices"][found["risks"].index(min(found["risks"]))]
        chosen = out / "cells" / fit.id / f"choice-{found['choices'].index(found['options'])}"
        kept = torch.load(out / "cells" / fit.id / "last.ckpt", weights_only=True)
        same = torch.load(chosen / "last.ckpt", weights_only=True)
        assert all(torch.equal(kept["state_dict"][k], v) for k, v in same["state_dict"].items())


def test_the_oracle_is_not_worse_and_marked(done: tuple[Plan, Path]) -> None:
    made, out = done
    mean = {cell.method: sum(result(out, cell.id)["scores"]) for cell in made.adapts
            if cell.point["shots"] == 0}  # fmt: skip
    assert mean["coral (oracle)"] >= mean["coral"]
    rows = {row.method: row.notes for block in report(out).blocks for row in block.rows}
    assert "options chosen by entropy" in rows["coral"]
    assert "options chosen by target labels (oracle)" in rows["coral (oracle)"]
    text = (out / "report.md").read_text()
    assert "a bound, not a method" in text


def test_the_report_draws_the_features(done: tuple[Plan, Path]) -> None:
    out = done[1]
    report(out)
    assert (out / "digits-features.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").read_text().count("<img ") == 2


def test_a_choice_that_was_made_is_not_made_again(done: tuple[Plan, Path]) -> None:
    made, out = done
    fit = next(fit for fit in made.fits if fit.name == "aligned")
    before, left = result(out, fit.id), out / "work" / fit.id / "a-killed"
    left.parent.mkdir(parents=True, exist_ok=True)
    (out / "cells" / fit.id).rename(left)  # as if it had been killed at the second choice
    (left / "result.json").unlink()
    (left / "choice-1" / "choice.json").unlink()
    first = json.loads((left / "choice-0" / "choice.json").read_text())
    first["cost"]["fit_seconds"] = 1000.0
    (left / "choice-0" / "choice.json").write_text(json.dumps(first))
    assert run_suite(made, out, jobs=1) == []
    again = result(out, fit.id)
    assert again["risks"] == before["risks"]
    assert again["options"] == before["options"]
    assert again["cost"]["fit_seconds"] > 1000.0


def test_what_would_run_names_the_fits_of_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(SUITE))
    assert main(["bench", str(tmp_path / "suite.yaml"), "--dry-run", "--oracle"]) == 0
    said = capsys.readouterr().out
    assert "digits: fit pretrained (supervised), seeds 0\n" in said
    assert (
        "digits: fit aligned (supervised), seeds 0, 4 in all: the target's 2 episodes have their "
        "own\n"
    ) in said
    assert "digits: method coral (oracle), shots 0, 1" in said


def test_a_choice_that_diverges_is_the_worst(tmp_path: Path) -> None:
    fits = {"aligned": {**SUITE["fits"]["aligned"], "tune": {"weight": {"values": [1e300, 0.0]}}}}
    changed = {**SUITE, "fits": fits, "methods": {"coral": SUITE["methods"]["coral"]}}
    changed["domains"] = {"digits": {**SUITE["domains"]["digits"], "shots": 0, "episodes": 1}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(changed))
    made = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    assert run_suite(made, tmp_path / "out", jobs=1) == []
    found = result(tmp_path / "out", made.fits[0].id)
    assert found["risks"][0] == float("inf")
    assert found["options"] == {"weight": 0.0}
    fits["aligned"]["tune"] = {"weight": {"values": [1e300, 1e301]}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(changed))
    made = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    run_suite(made, tmp_path / "none", jobs=1)
    said = (tmp_path / "none" / "work" / made.fits[0].id / "failed.json").read_text()
    assert "tune: none of the 2 choices has a finite risk" in said
    assert "(one failed: " in said
    report(tmp_path / "out")


@pytest.mark.parametrize(
    ("fit", "method", "message"),
    [
        (
            {"strategy": "coral", "labels": True},
            {"strategy": "as_trained"},
            "fit fit: unlabelled: Coral compares source and target",
        ),
        (
            {},
            {"strategy": "lora", "options": {"rank": 400}},
            "lora: rank=400 is more than the weight of",
        ),
        (
            {
                "learner": "maml",
                "strategy": "sgd",
                "tune": {"lr": {"values": [0.1, 0.4]}},
                "view": {"shots": 1, "queries": 2},
            },
            {},
            "fit fit: tune: maml trains no network on pairs of source and",
        ),
    ],
    ids=["no target", "rank", "nothing to judge by"],
)
def test_what_can_not_work_is_told_before_anything_runs(
    fit: dict[str, Any], method: dict[str, Any], message: str, tmp_path: Path
) -> None:
    fits = {"fit": {"learner": "supervised", **fit}}
    changed = {**SUITE, "fits": fits, "methods": {"method": {"fit": "fit", **method}}}
    changed["domains"] = {"digits": {**SUITE["domains"]["digits"], "shots": 0}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(changed))
    made = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    expected = f"suite shifted: nothing in it can be run: {message}"
    with pytest.raises(TlmlError, match=f"^{re.escape(expected)}"):
        run_suite(made, tmp_path / "out", jobs=1)
    assert not list((tmp_path / "out").rglob("config.yaml"))


def test_what_cannot_work_is_left_out_and_listed_while_the_rest_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = {
        "scratch": {"strategy": "scratch", "options": {"steps": 1}},
        "lora": {"strategy": "lora", "options": {"rank": 400}},
    }
    digits = {**SUITE["domains"]["digits"], "shots": [1, 100_000], "episodes": 1}
    changed = {**SUITE, "fits": {}, "methods": methods, "domains": {"digits": digits}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(changed))
    command = ["bench", str(tmp_path / "suite.yaml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("shifted: 1 cells into")
    assert "digits at 100000 shots: method scratch is not run: task " in shown
    assert "digits at 1 shot: method lora is not run: lora: rank=400 is more than" in shown
    assert main([*command, "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "shifted: 1 of 1 results are there, 0 failed, 0 missing" in said
    assert "not run on digits at 100000 shots: lora, scratch: task handwriting: class 0 has" in said
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 1


def test_shares_and_all_shots_stand_beside_numbers_where_there_are_data_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = {**SUITE["domains"]["digits"], "shots": ["all", 1, 0.05], "episodes": 1}
    waves = {"shots": [1, 0.05], "episodes": 1, "view": {"queries": 2}}
    changed = {
        **SUITE, "fits": {}, "domains": {"digits": digits, "sinusoid": waves},
        "methods": {"scratch": {"strategy": "scratch", "options": {"steps": 1}}},
    }  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(changed))
    out = tmp_path / "out"
    assert main(["bench", str(tmp_path / "suite.yaml"), "--out", str(out), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    titles = re.findall(r"^(.+): (?:accuracy|mse) \(", said, re.MULTILINE)
    assert titles == [
        "digits, 1 shot", "digits, 5% of the examples", "digits, all shots", "sinusoid, 1 shot",
    ]  # fmt: skip
    assert "not run on sinusoid at 5% of the examples: scratch: shots: a share of 0.05" in said
    assert {path.name for path in out.glob("*.png")} == {"digits.png", "sinusoid.png"}
    rows = json.loads((out / "results.json").read_text())["rows"]
    labels = {row["shots"]: row["cost"]["labels"] for row in rows if row["domain"] == "digits"}
    task = default_registry().resolve("domain", "digits")(size=8, variants=8).tasks("target")[0]
    assert labels["all"] == len(task.split("train")) and labels[1] == 10
    assert abs(labels[0.05] - 0.05 * labels["all"]) <= 5

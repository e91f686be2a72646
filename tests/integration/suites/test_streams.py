"""Suites over streams: what is retained, beside what adapts, from the same fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stream_learners
import yaml

from tlml.metrics import backward_transfer, forgetting, forward_transfer
from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import Plan, load_suite, plan, read_results, run_suite
from tlml.suites.results import Record

STREAM = {"tasks": 3, "samples": 60}
SUITE: dict[str, Any] = {
    "name": "retained",
    "seeds": 2,
    "episodes": 2,
    "domains": {
        "rotated_digits": {
            "stream": STREAM,
            "shots": [1],
            "options": {"size": 8, "source": [0, 90, 180], "validation": [45, 135]},
            "view": {"ways": 10, "queries": 5, "batch_size": 10},
            "learner": {"network": "mlp"},
        }
    },
    "fits": {
        "naive": {"learner": "naive_cl"},
        "replay": {"learner": "replay_cl", "tune": {"learner.lr": {"values": [10.0, 0.01]}}},
        "maml": {"learner": "maml", "view": {"shots": 1, "episodes": 4, "val_episodes": 1}},
    },
    "methods": {
        "naive": {"fit": "naive", "strategy": "full", "options": {"steps": 2}},
        "naive_probe": {"fit": "naive", "strategy": "linear_probe", "options": {"steps": 2}},
        "replay": {"fit": "replay", "strategy": "full", "options": {"steps": 2}},
        "maml": {"fit": "maml"},
    },
    # Streams are as long as they are: this is for maml.
    "trainer": {"max_epochs": 1, "limit_val_batches": 0},
}

Made = tuple[Plan, Path]


@pytest.fixture(scope="module", autouse=True)
def plugin() -> Iterator[None]:
    default_registry().register(stream_learners, "stream_learners")
    yield
    default_registry().unregister("stream_learners")


def planned(folder: Path, **changes: Any) -> Plan:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump({**SUITE, **changes}))
    return plan(load_suite(path), default_registry())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("retained")
    found = planned(folder)
    assert run_suite(found, folder / "out", jobs=1) == []
    return found, folder / "out"


def records(made: Made, method: str, protocol: str = "stream") -> list[Record]:
    found, out = made
    by_id = read_results(out).records
    cells = [c for c in found.adapts if (c.method, c.protocol) == (method, protocol)]
    return [record for cell in cells for record in by_id[cell.id]]


def test_a_record_of_a_stream_is_what_its_fit_retained(made: Made) -> None:
    found, out = made
    for cell in (cell for cell in found.adapts if cell.protocol == "stream"):
        (record,) = read_results(out).records[cell.id]
        fit = json.loads((out / "cells" / cell.fits[0] / "result.json").read_text())
        matrix = np.array(record.R)
        assert matrix.shape == (3, 3)
        assert matrix.tolist() == fit["R"]
        assert record.point == {"tasks": 3}
        assert record.units == [0, 1, 2]
        assert record.scores == matrix[-1].tolist()
        assert (record.metric, record.higher_is_better) == ("accuracy", True)
        assert record.before == fit["before"]
        assert record.before is not None
        assert record.metrics == pytest.approx(
            {
                "LA": np.diagonal(matrix).mean(),
                "AIA": np.mean([row[: t + 1].mean() for t, row in enumerate(matrix)]),
                "BTI": (matrix[-1] - np.diagonal(matrix)).mean(),
                "BWT": backward_transfer(matrix),
                "FWT": forward_transfer(matrix, record.before),
                "forgetting": forgetting(matrix),
            }
        )
        assert record.cost["steps"] == 3 * 6
        assert record.cost["samples_per_second"] > 0
        assert record.cost["fit_seconds"] > 0


def test_what_a_learner_says_of_its_fit_is_kept_shown_and_drawn(made: Made) -> None:
    _, out = made
    for record in records(made, "replay"):
        assert record.cost["memory_examples"] == 30
        (first, last) = record.courses["kept"]
        assert first == (0, 0.0) and last[0] == 18 and last[1] > 0
    assert [record.courses for record in records(made, "naive")] == [{}, {}]
    report(out)
    text = (out / "report.md").read_text()
    assert "| memory |" in text and "memory: examples kept, of all tasks together" in text
    assert (out / "rotated_digits-kept.png").is_file()


def test_what_comes_again_is_forgotten_less(made: Made) -> None:
    naive, replay = records(made, "naive"), records(made, "replay")
    assert np.mean([r.scores for r in replay]) > np.mean([r.scores for r in naive])


def test_methods_that_differ_in_how_they_adapt_share_a_record(made: Made) -> None:
    found, _ = made
    cells = {
        method: [c for c in found.adapts if (c.method, c.protocol) == (method, "stream")]
        for method in ("naive", "naive_probe", "replay")
    }
    ids = {method: [cell.id for cell in mine] for method, mine in cells.items()}
    assert ids["naive"] == ids["naive_probe"]
    assert len(set(ids["naive"])) == 2
    assert not set(ids["naive"]) & set(ids["replay"])


def test_the_same_fits_are_tested_on_target_episodes_beside_all_others(made: Made) -> None:
    found, _ = made
    adapted = {c.method: c for c in found.adapts if c.protocol == "episodes"}
    assert set(adapted) == {"naive", "naive_probe", "replay", "maml"}
    retained = {c.method: c for c in found.adapts if c.protocol == "stream"}
    for method in ("naive", "naive_probe", "replay"):
        assert adapted[method].fits == retained[method].fits
        (record, _) = records(made, method, "episodes")
        assert record.episodes == record.units == [0, 1]


def test_what_learned_no_stream_is_compared_on_episodes_only(made: Made) -> None:
    found, _ = made
    (refused,) = found.refused
    assert (refused.name, refused.protocol) == ("maml", "stream")
    assert refused.reason == "its fit maml (learner maml) learns no stream"


def test_options_of_a_learner_are_chosen_once_on_a_stream_of_validation_tasks(made: Made) -> None:
    found, out = made
    (choice,) = [fit for fit in found.fits if fit.config["kind"] == "choose"]
    chosen = json.loads((out / "cells" / choice.id / "result.json").read_text())
    assert chosen["options"] == {"learner.lr": 0.01}
    assert chosen["choices"] == [{"learner.lr": 10.0}, {"learner.lr": 0.01}]
    assert chosen["risks"][1] < chosen["risks"][0]
    for record in records(made, "replay"):
        assert record.options == {"learner.lr": 0.01}
        assert (record.chosen_by, record.choices) == ("stream", 2)
        assert record.cost["tuning_seconds"] > 0
    fits = [fit for fit in found.fits if fit.name == "replay"]
    assert {fit.after for fit in fits} == {(choice.id,)}
    assert [record.choices for record in records(made, "naive")] == [0, 0]
    # The strategy that adapts was not chosen; what was chosen of the fit is told beside it.
    found_there = [r.options for r in records(made, "replay", "episodes")]
    assert found_there == [{"steps": 2, "learner.lr": 0.01}] * 2
    assert [r.choices for r in records(made, "replay", "episodes")] == [2, 2]


def test_a_fit_that_was_measured_and_not_written_down_is_not_trained_again(
    made: Made, tmp_path: Path
) -> None:
    found, out = made
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    fit = next(fit for fit in found.fits if fit.name == "replay")
    lost = [fit.id, *(c.id for c in found.adapts if c.protocol == "stream" and fit.id in c.fits)]
    for id in lost:  # as a kill before the result was written leaves it
        (copy / "cells" / id / "result.json").unlink()
        (copy / "work" / id).mkdir(parents=True)
        (copy / "cells" / id).rename(copy / "work" / id / "a-0")
    assert run_suite(found, copy, jobs=1) == []
    for id, name in zip(lost, ("R", "scores"), strict=True):
        again, first = (
            json.loads((place / "cells" / id / "result.json").read_text()) for place in (copy, out)
        )
        assert again[name] == first[name]
        assert again["cost"] == first["cost"]


def test_the_report_has_both_blocks_and_all_of_r(made: Made) -> None:
    found, out = made
    report(out)
    rows = json.loads((out / "results.json").read_text())["rows"]
    stream = [row for row in rows if row["protocol"] == "stream"]
    assert {(row["method"], row["seed"]) for row in stream} == {
        (method, seed) for method in ("naive", "naive_probe", "replay") for seed in (0, 1)
    }
    for row in stream:
        assert row["point"] == {"tasks": 3}
        assert row["scores"] == row["R"][-1]
        assert (row["domain"], row["metric"]) == ("rotated_digits", "accuracy")
        assert row["higher_is_better"] is True
        assert row["units"] == [0, 1, 2]
        assert row["cost"]["steps"] == 18
    assert {row["method"] for row in rows if row["protocol"] == "episodes"} == {*found.methods}
    text = (out / "report.md").read_text()
    assert "rotated_digits, 3 tasks: accuracy (higher is better)" in text
    assert "rotated_digits, 1 shot: accuracy (higher is better)" in text
    assert "BTI" in text


def test_all_tasks_at_once_are_a_bound_beside_streams_of_several_epochs(tmp_path: Path) -> None:
    domain = {
        **SUITE["domains"]["rotated_digits"],
        "stream": {"tasks": 2, "samples": 40, "epochs": 2, "order": "shuffled"},
    }
    del domain["shots"]
    tune = {"tune": {"learner.lr": {"values": [0.01]}}}
    found = planned(
        tmp_path,
        seeds=1,
        domains={"rotated_digits": domain},
        fits={
            "naive": {"learner": "naive_cl"},
            "joint": {"learner": "naive_cl", "view": {"joint": True}, **tune},
        },
        methods={"naive": {"fit": "naive"}, "joint": {"fit": "joint"}},
    )
    assert run_suite(found, tmp_path / "out", jobs=1) == []
    both = found, tmp_path / "out"
    ((naive,), (joint,)) = records(both, "naive"), records(both, "joint")
    assert np.shape(naive.R) == (2, 2)
    assert joint.R is None
    assert (joint.units, len(joint.scores), joint.metrics) == ([0, 1], 2, {})
    # Both see each example twice.
    assert naive.cost["steps"] == joint.cost["steps"] == 2 * 2 * 4
    report(tmp_path / "out")

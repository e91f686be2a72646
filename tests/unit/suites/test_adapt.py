"""What is said of an adaptation: how options were chosen, and among how many."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from tiny import MLP, Letters
from torch import nn

import tlml
from tlml import EpisodeView, TlmlError
from tlml.suites import adapt
from tlml.suites.adapt import check_adapt

CELL: dict[str, Any] = {
    "kind": "adapt", "domain": "sinusoid", "domain_options": {}, "learner": "maml",
    "options": {"network": "mlp"}, "seed": 0, "strategy": "full", "strategy_options": {},
    "view": {"shots": 2, "episodes": 3}, "head": None, "tune": {}, "criterion": None,
}  # fmt: skip


def fitted(folder: Path, **result: Any) -> Path:
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    return folder / "last.ckpt"


def test_wrong_values_show_before_anything_runs() -> None:
    check_adapt(CELL)
    with pytest.raises(TlmlError, match="head"):
        check_adapt({**CELL, "head": "old"})
    with pytest.raises(TlmlError, match="steps"):
        check_adapt({**CELL, "strategy_options": {"steps": -1}})


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


@pytest.mark.parametrize(
    ("strategy", "options", "view", "works"),
    [
        ("scratch", {}, {"shots": 1}, False),
        ("full", {}, {"shots": 1}, True),  # by the statistics that training stored
        ("full", {"batchnorm": "batch"}, {"shots": [1, 5]}, False),
        ("full", {"batchnorm": "batch"}, {"shots": 2}, True),
        ("scratch", {"batchnorm": "stored"}, {"shots": 1}, True),
        ("as_trained", {"batchnorm": "batch"}, {"shots": 1}, True),
        ("as_trained", {"batchnorm": "batch"}, {"shots": 1, "queries": 1}, False),
    ],
)
def test_one_example_for_batchnorm_shows_before_anything_runs(
    strategy: str, options: dict[str, Any], view: dict[str, Any], works: bool
) -> None:
    cell = {
        **CELL, "learner": "supervised", "options": {"network": normed()}, "strategy": strategy,
        "strategy_options": options, "view": {"episodes": 3, **view},
    }  # fmt: skip
    told = pytest.raises(TlmlError, match=r"^BatchNorm can't take statistics of 1 example; take")
    with nullcontext() if works else told:
        check_adapt(cell)


def test_choices_of_fit_and_method_are_counted_together(tmp_path: Path) -> None:
    fit = fitted(tmp_path / "a", choices=[1, 2, 3], criterion="entropy")
    tuned = {**CELL, "tune": {"lr": {"values": [1, 2]}}, "criterion": "validation tasks"}
    assert adapt._choices(CELL, []) == 0 and adapt._chosen_by(CELL, []) is None
    assert adapt._choices(tuned, []) == 2
    assert adapt._choices(tuned, [fit]) == 5
    assert adapt._chosen_by(tuned, [fit]) == "entropy, validation tasks"


def test_the_mean_effective_size_is_of_weighed_records_alone() -> None:
    assert adapt._mean_size([{"accuracy": 1.0}]) is None
    assert adapt._mean_size([{"effective_sample_size": 2.0}, {"effective_sample_size": 4.0}]) == 3


@pytest.mark.parametrize(("head", "told"), [("new", "new"), (None, "kept")])
def test_head_and_statistics_of_a_test_are_told(head: Any, told: str) -> None:
    full = tlml.strategy("full")
    view = EpisodeView(Letters(), ways=2, shots=1, queries=2, adapt=full, head=head)
    learner: Any = tlml.learner("maml", **MLP)
    learner.meet(view.spaces)
    found = adapt._described(learner, view)
    assert (found["head"], found["batchnorm"], found["transductive"]) == (told, None, False)


def test_an_episode_has_as_many_labels_as_its_support() -> None:
    view = EpisodeView(tlml.domain("sinusoid"), shots=4)
    assert adapt._labels(CELL, view) == 4

"""What is said of an adaptation: how options were chosen, and among how many."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from tiny import MLP, Letters, Tables
from torch import nn

import tlml
from tlml import EpisodeView, TlmlError
from tlml.suites.inside import adapt
from tlml.suites.inside.adapt import check_adapt
from tlml.suites.tuning import TrialResult

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


TUNED = {**CELL, "tune": {"lr": {"values": [0.1, 0.2]}}, "criterion": "validation tasks"}


class WithoutValidation(Tables):
    """A family that keeps nothing to choose by."""

    def tasks(self, split: Any) -> Any:
        return [] if split == "validation" else super().tasks(split)


def test_a_domain_without_validation_tasks_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapt, "make_domain", lambda config: WithoutValidation(train=40))
    check_adapt(CELL)
    with pytest.raises(TlmlError, match=r"^tune: validation tasks cannot judge: .*validation"):
        check_adapt(TUNED)
    check_adapt({**TUNED, "criterion": "target labels (oracle)"})


def test_a_wrong_value_of_any_choice_is_told_before_anything_runs() -> None:
    with pytest.raises(TlmlError, match="lr: must be greater than 0, is -1"):
        check_adapt({**TUNED, "tune": {"lr": {"values": [0.1, -1.0]}}})


@pytest.mark.parametrize("ranks", [[1000, 1], [1, 1000]])
def test_a_refused_choice_is_one_choice_less_wherever_it_stands(ranks: list[int]) -> None:
    lora = {**TUNED, "learner": "supervised", "strategy": "lora"}
    check_adapt({**lora, "tune": {"rank": {"values": ranks}}})
    with pytest.raises(TlmlError, match="rank"):
        check_adapt({**lora, "tune": {"rank": {"values": [1000, 2000]}}})


def test_a_single_choice_needs_validation_tasks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "make_domain", lambda config: WithoutValidation(train=40))
    with pytest.raises(TlmlError, match="validation tasks cannot judge"):
        check_adapt({**TUNED, "tune": {"lr": {"values": [0.1]}}})


def test_choices_of_fit_and_method_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = [{"weight": value} for value in (1, 2, 3)]
    fit = fitted(
        tmp_path / "a", choices=choices, risks=[2.0, 1.0, 3.0], options=choices[1],
        criterion="entropy", cost={"fit_seconds": 1.0},
    )  # fmt: skip
    risks = iter([0.5, 0.25])
    monkeypatch.setattr(adapt, "_try", lambda *_: (TrialResult(next(risks)), 1.0))
    chosen, tuning = adapt._choose(CELL, [], None, print)
    assert (chosen.config, chosen.checkpoints, tuning.choices) == (CELL, [], 0)
    chosen, tuning = adapt._choose(TUNED, [fit], None, print)
    assert (chosen.options, chosen.config["strategy_options"]) == ({"lr": 0.2}, {"lr": 0.2})
    assert (tuning.choices, tuning.of_fit) == (3 + 2, {"strategy.weight": 2})
    assert [one.risk for one in tuning.tried] == [0.5, 0.25]
    assert tuning.cost == {"tuning_seconds": 2.0}
    assert adapt._chosen_by(CELL, []) is None
    assert adapt._chosen_by(TUNED, [fit]) == "entropy, validation tasks"


def test_choosing_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def tries(candidate: Any, domain: Any, report: Any) -> tuple[TrialResult, float]:
        report(1.0)
        return TrialResult(1.0), 0.0

    shares: list[float] = []
    monkeypatch.setattr(adapt, "_try", tries)
    adapt._choose(TUNED, [], None, shares.append)
    assert shares == [0.5, 1.0]


def test_a_choice_of_a_fit_that_diverged_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = {"fit_seconds": 4.0}
    bad = fitted(tmp_path / "bad", error="the loss is nan", cost=cost)
    good = fitted(tmp_path / "good", cost=cost)
    tries = adapt._try
    monkeypatch.setattr(
        adapt, "_try", lambda one, *more: tries(one, *more) if bad in one.checkpoints
        else (TrialResult(1.0), 0.5),
    )  # fmt: skip
    config = {
        **CELL, "choices": [{"learner.lr": 9.0}, {"learner.lr": 0.1}], "trained_with": None,
        "criterion": "validation tasks",
    }  # fmt: skip
    chosen, tuning = adapt._choose(config, [bad, good], None, print)
    assert chosen.checkpoints == [good] and chosen.config["options"]["lr"] == 0.1
    assert [one.risk for one in tuning.tried] == [math.inf, 1.0]
    assert tuning.cost == {"tuning_seconds": 4.0 + 0.5}


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

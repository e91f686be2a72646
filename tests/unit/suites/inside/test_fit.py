"""What a fit writes down, however it was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tlml
from tlml import EpisodeView, TlmlError
from tlml.errors import DivergedError
from tlml.suites.inside import fit
from tlml.suites.inside.training import TrainingOutcome

CONFIG: dict[str, Any] = {
    "kind": "fit", "learner": "maml", "options": {"lr": 0.5}, "strategy": "sgd", "tune": {},
    "strategy_options": {}, "trainer": {}, "seed": 0,
}  # fmt: skip


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The configurations that were trained."""
    seen: list[dict[str, Any]] = []

    def train(config: dict[str, Any], folder: Path, report: Any) -> TrainingOutcome:
        seen.append(config)
        view = EpisodeView(tlml.domain("sinusoid"))
        return TrainingOutcome(tlml.learner("maml"), view, {"fit_seconds": 2.0}, {"R": [[1.0]]},
                               {"alignment": [(5, 0.25)]})  # fmt: skip

    monkeypatch.setattr(fit, "train", train)
    return seen


def test_a_fit_says_what_it_took_and_what_it_retained(
    trained: list[dict[str, Any]], tmp_path: Path
) -> None:
    found = fit.run_fit(CONFIG, tmp_path, lambda share: None)
    assert trained == [CONFIG]
    assert (found["learner"], found["checkpoint"], found["R"]) == ("maml", "last.ckpt", [[1.0]])
    assert found["cost"] == {"fit_seconds": 2.0}
    assert found["courses"] == {"alignment": [(5, 0.25)]}
    assert found["effective_sample_size"] is None
    assert list(tmp_path.iterdir()) == []  # no picture of features without pairs


def test_a_choice_that_diverged_is_what_comes_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def diverge(*_: Any) -> None:
        raise DivergedError("the loss is nan; lower its lr")

    monkeypatch.setattr(fit, "train", diverge)
    found = fit.try_fit({**CONFIG, "tried": {"learner.lr": 0.5}}, tmp_path, lambda share: None)
    assert found == {
        "learner": "maml", "strategy": "sgd", "error": "the loss is nan; lower its lr",
        "cost": {"fit_seconds": 0.0, "fit_cpu_seconds": 0.0, "steps": 0},
    }  # fmt: skip


def test_a_full_disk_is_not_the_fault_of_a_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any) -> None:
        raise TlmlError("last.ckpt: no space left") from OSError(28, "no space left")

    monkeypatch.setattr(fit, "train", full)
    with pytest.raises(TlmlError, match="no space left"):
        fit.try_fit(CONFIG, tmp_path, lambda share: None)


def test_options_that_another_cell_has_chosen_are_taken(
    trained: list[dict[str, Any]], tmp_path: Path
) -> None:
    choice = tmp_path / "result.json"
    choice.write_text(json.dumps({
        "options": {"learner.lr": 0.25}, "criterion": "stream", "risks": [1.0, 2.0],
        "choices": [{"learner.lr": 0.25}, {"learner.lr": 1.0}],
        "cost": {"fit_seconds": 9.0, "fit_cpu_seconds": 8.0},
    }))  # fmt: skip
    found = fit.run_fit(CONFIG, tmp_path, lambda share: None, choice)
    assert trained[0]["options"]["lr"] == 0.25
    assert (found["criterion"], found["cost"]["tuning_seconds"]) == ("stream", 9.0)
    assert found["cost"]["tuning_cpu_seconds"] == 8.0
    assert found["options"] == {"learner.lr": 0.25} and len(found["choices"]) == 2

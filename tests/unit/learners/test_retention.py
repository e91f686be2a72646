"""What is told of a stream's rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tlml import Retention, TlmlError


def state(
    metric: str, rows: list[list[float]], before: Sequence[float] = (), joint: bool = False
) -> dict[str, Any]:
    return {
        "metric": metric, "higher_is_better": metric == "accuracy", "joint": joint,
        "before": list(before), "rows": rows,
    }  # fmt: skip


def test_one_task_has_no_transfer_yet_and_none_has_nothing() -> None:
    retention = Retention()
    with pytest.raises(TlmlError, match="retention: no task has been learned yet; fit on a Stream"):
        retention.summary()
    retention.load_state_dict(state("accuracy", [[0.9, 0.3]], [0.5, 0.4]))
    assert retention.summary() == {"RA": 0.9, "LA": 0.9}


def test_its_state_is_plain_and_comes_back(tmp_path: Path) -> None:
    retention, other = Retention(), Retention()
    retention.load_state_dict(state("mse", [[0.9, 0.3], [0.1, 0.2]]))
    torch.save(retention.state_dict(), tmp_path / "state")
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert other.state_dict() == retention.state_dict()
    assert other.matrix.tolist() == [[0.9, 0.3], [0.1, 0.2]]


def test_forgetting_is_above_zero_for_accuracies_and_errors_alike() -> None:
    retention = Retention()
    retention.load_state_dict(state("mse", [[0.1, 0.9], [0.4, 0.2]]))
    assert retention.summary()["forgetting"] == pytest.approx(0.3)
    assert retention.summary()["BWT"] == pytest.approx(0.3)
    retention.load_state_dict(state("accuracy", [[0.9, 0.1], [0.6, 0.8]]))
    assert retention.summary()["forgetting"] == pytest.approx(0.3)
    assert retention.summary()["BWT"] == pytest.approx(-0.3)


def test_of_all_tasks_shuffled_into_one_there_is_the_mean_alone() -> None:
    retention = Retention()
    retention.load_state_dict(state("accuracy", [[0.9, 0.3, 0.6]], joint=True))
    assert retention.summary() == {"RA": pytest.approx(0.6)}

"""What is told of a stream's rows."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import WandbLogger

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
    assert retention.summary() == {"RA": 0.9, "LA": 0.9, "AIA": 0.9}


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


class Logger:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.metrics: list[tuple[Any, int]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append((metrics, step))


class TableLogger(Logger):
    """One that takes tables as Lightning's of W&B does."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Any] = []

    def log_table(self, key: str, columns: Any = None, data: Any = None, step: Any = None) -> None:
        self.tables.append((key, columns, data, step))


def test_loggers_that_take_tables_are_told_all_of_r() -> None:
    retention, plain, tables = Retention(), Logger(), TableLogger()
    trainer: Any = SimpleNamespace(loggers=[plain, tables], global_step=8)
    retention.on_train_end(trainer, trainer)  # nothing was learned
    assert plain.metrics == tables.tables == []
    retention.load_state_dict(state("accuracy", [[0.9, 0.1], [0.6, 0.8]], [0.2, 0.3]))
    retention.on_train_end(trainer, trainer)
    assert plain.metrics == tables.metrics == [(retention.summary(), 8)]
    rows = [["before", 0.2, 0.3], ["0", 0.9, 0.1], ["1", 0.6, 0.8]]
    assert tables.tables == [("R", ["after task", "on task 0", "on task 1"], rows, 8)]


def test_lightnings_logger_of_wandb_takes_tables_so() -> None:
    given, takes = (signature(one.log_table).parameters for one in (TableLogger, WandbLogger))
    assert [*given][:3] == [*takes][:3]
    assert given.keys() <= takes.keys()


def test_of_all_tasks_at_once_the_table_has_one_row() -> None:
    retention, tables = Retention(), TableLogger()
    retention.load_state_dict(state("accuracy", [[0.9, 0.3]], joint=True))
    trainer: Any = SimpleNamespace(loggers=[tables], global_step=8)
    retention.on_train_end(trainer, trainer)
    ((_, _, rows, _),) = tables.tables
    assert rows == [["all", 0.9, 0.3]]

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from trainers import quiet_trainer

from tlml import GradientLearner, Retention, StreamView, TlmlError, View
from tlml.metrics import forward_transfer
from tlml.testing.toys import Planes


class Onward(GradientLearner):
    view_type: ClassVar[type[View]] = StreamView

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(dict(self.built().named_parameters()), batch.batch)

    def predict_now(self, x: Tensor) -> Tensor:
        scores: Tensor = self.built()(x)
        return scores


def run(retention: Retention, **options: Any) -> pl.Trainer:
    trainer = quiet_trainer(max_epochs=5, num_sanity_val_steps=-1, callbacks=[retention], **options)
    learner = Onward(lr=0.01)
    trainer.fit(learner, learner.view(Planes(), batch_size=4))
    return trainer


def test_a_stream_of_values_is_measured_by_its_squared_error() -> None:
    retention = Retention()
    run(retention)
    assert retention.metric == "mse"
    assert retention.matrix.shape == (3, 3)
    assert len(retention.before) == 3
    found, matrix = retention.summary(), retention.matrix
    assert set(found) == {"RA", "LA", "BTI", "BWT", "FWT"}
    assert found["RA"] == pytest.approx(matrix[-1].mean())
    assert found["LA"] == pytest.approx(np.diagonal(matrix).mean())
    assert found["FWT"] == pytest.approx(forward_transfer(matrix, retention.before))
    assert found["LA"] < np.mean(retention.before)


def test_a_later_validation_changes_no_row() -> None:
    retention = Retention()
    trainer = run(retention)
    before = retention.state_dict()
    learner = Onward(seed=3)
    trainer.validate(learner, learner.view(Planes()), verbose=False)
    assert retention.state_dict() == before


def test_loggers_get_the_summary_in_the_end(tmp_path: Path) -> None:
    retention = Retention()
    run(retention, logger=CSVLogger(tmp_path, name="", version=""))
    header, *_, last = (tmp_path / "metrics.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    assert float(row["RA"]) == pytest.approx(retention.summary()["RA"])
    assert float(row["FWT"]) == pytest.approx(retention.summary()["FWT"])


def test_one_task_has_no_transfer_yet_and_none_has_nothing() -> None:
    retention = Retention()
    with pytest.raises(TlmlError, match="retention: no task has been learned yet; fit on a Stream"):
        retention.summary()
    retention.load_state_dict({"metric": "accuracy", "before": [0.5, 0.4], "rows": [[0.9, 0.3]]})
    assert retention.summary() == {"RA": 0.9, "LA": 0.9}


def test_its_state_is_plain_and_comes_back(tmp_path: Path) -> None:
    retention, other = Retention(), Retention()
    retention.load_state_dict({"metric": "mse", "before": [], "rows": [[0.9, 0.3], [0.1, 0.2]]})
    torch.save(retention.state_dict(), tmp_path / "state")
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert other.state_dict() == retention.state_dict()
    assert other.matrix.tolist() == [[0.9, 0.3], [0.1, 0.2]]


def test_another_view_leaves_it_empty() -> None:
    from tlml.testing.toys import Descent

    class Episodes(GradientLearner):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.meta_loss(batch)

    retention = Retention()
    trainer = quiet_trainer(max_epochs=1, callbacks=[retention])
    learner = Episodes(strategy=Descent())
    trainer.fit(learner, learner.view(Planes(), shots=2, queries=2, episodes=4))
    assert (retention.rows, retention.before) == ([], [])

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from trainers import quiet_trainer

from tlml import Batch, GradientLearner, Retention, StreamView, TlmlError, View
from tlml.data import Metric
from tlml.metrics import forward_transfer
from tlml.testing.toys import Planes


class Onward(GradientLearner):
    view_type: ClassVar[type[View]] = StreamView

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(dict(self.built().named_parameters()), batch.batch)

    def predict_now(self, x: Tensor) -> Tensor:
        scores: Tensor = self.built()(x)
        return scores


def run(retention: Retention | None, *, domain: Planes | None = None, **options: Any) -> pl.Trainer:
    trainer = quiet_trainer(
        max_epochs=5, num_sanity_val_steps=-1, callbacks=[retention] if retention else [], **options
    )
    learner = Onward(lr=0.01)
    trainer.fit(learner, learner.view(domain or Planes(), batch_size=4))
    return trainer


def test_a_stream_of_values_is_measured_by_its_squared_error() -> None:
    retention = Retention()
    run(retention)
    assert retention.metric == "mse"
    assert retention.matrix.shape == (3, 3)
    assert len(retention.before) == 3
    found, matrix = retention.summary(), retention.matrix
    assert set(found) == {"RA", "LA", "AIA", "BTI", "BWT", "FWT", "forgetting"}
    assert found["RA"] == pytest.approx(matrix[-1].mean())
    assert found["LA"] == pytest.approx(np.diagonal(matrix).mean())
    so_far = [row[: t + 1].mean() for t, row in enumerate(matrix)]
    assert found["AIA"] == pytest.approx(np.mean(so_far))
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


class Ranked(Planes):
    """Planes measured by something of their own, of which more is better."""

    metric = Metric("hits", True)

    def measure(self, batch: Batch, scores: Tensor) -> dict[str, Tensor]:
        return {"hits": ((scores - batch.y).abs() < 0.5).float().mean()}


def test_a_metric_of_the_domain_is_kept_in_its_place() -> None:
    retention = Retention()
    run(retention, domain=Ranked())
    assert (retention.metric, retention.higher_is_better) == ("hits", True)
    assert retention.matrix.shape == (3, 3)
    assert retention.summary()["LA"] > np.mean(retention.before)


def test_a_stream_brings_it_and_the_trainer_may_have_its_own() -> None:
    own = Retention()
    trainer = run(own)
    assert [c for c in trainer.callbacks if isinstance(c, Retention)] == [own]  # type: ignore[attr-defined]
    trainer = run(None)
    assert Retention.of(trainer).state_dict() == own.state_dict()
    with pytest.raises(TlmlError, match="retention: this Trainer has none; fit a learner on"):
        Retention.of(pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu"))


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

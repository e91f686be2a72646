"""Trains the learner of a cell, or goes on where it was stopped."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, Timer
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.model_helpers import is_overridden

from tlml.data.tasks import Step
from tlml.learners.checkpoint_files import WholeFiles
from tlml.learners.learner import Learner
from tlml.learners.retention import Retention
from tlml.suites.inside.costs import ProcessorTimer
from tlml.suites.inside.ingredients import (
    make_domain,
    make_learner,
    make_training_view,
    trainer_options,
)
from tlml.suites.inside.share import Report, ShareReporter
from tlml.suites.results import CHECKPOINT
from tlml.views.base import View
from tlml.views.stream import StreamView

EVERY = timedelta(seconds=15)  # between checkpoints of a fit


class TrainingOutcome(NamedTuple):
    """A learner after its training.

    Args:
        learner: The learner.
        view: What it was trained on.
        cost: What that took, by name.
        retained: Of a stream: what ``result.json`` says of R; else nothing.
        courses: What was measured on the way, by name: steps with a value each.
    """

    learner: Learner
    view: View
    cost: dict[str, float]
    retained: dict[str, Any]
    courses: dict[str, list[tuple[int, float]]]


def train(config: dict[str, Any], folder: Path, report: Report) -> TrainingOutcome:
    """Train a learner; ``last.ckpt`` in `folder` holds it in the end, and on the way."""
    domain, learner = make_domain(config), make_learner(config)
    view = make_training_view(config, learner, domain)
    clock, processor, path = Timer(), ProcessorTimer(), folder / CHECKPOINT
    throughput = [Throughput()] if isinstance(view, StreamView) else []
    trainer = pl.Trainer(
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[clock, processor, ShareReporter(report), *throughput, _last_checkpoint(folder)],
        plugins=[WholeFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer_options(config, learner, view),
    )
    if is_overridden("training_step", learner):
        trainer.fit(learner, datamodule=view, ckpt_path=path if path.is_file() else None,
                    weights_only=True)  # fmt: skip
    else:
        trainer.strategy.connect(learner)
    trainer.save_checkpoint(path)
    cost: dict[str, float] = {
        "fit_seconds": round(clock.time_elapsed("train"), 3),
        "fit_cpu_seconds": round(processor.elapsed, 3),
        "steps": trainer.global_step,
        **learner.costs(),
    }
    for counted in throughput:
        cost["samples_per_second"] = round(counted.rate, 1)
    return TrainingOutcome(learner, view, cost, _retained(trainer), learner.courses())


class Throughput(Callback):
    """Counts the examples of a stream and the seconds in training on them, without validations."""

    def __init__(self) -> None:
        self.examples, self.seconds, self._since = 0, 0.0, 0.0

    @property
    def rate(self) -> float:
        """Examples a second."""
        return self.examples / self.seconds if self.seconds else 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.examples += len(batch.task) if isinstance(batch, Step) else 0

    def state_dict(self) -> dict[str, Any]:
        """Return both counts."""
        return {"examples": self.examples, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the counts of a checkpoint."""
        self.examples, self.seconds = state_dict["examples"], state_dict["seconds"]


def _retained(trainer: pl.Trainer) -> dict[str, Any]:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    if not any(isinstance(one, Retention) for one in callbacks):  # no stream
        return {}
    retention = Retention.of(trainer)
    if not retention.rows:  # the learner measured something else
        return {}
    return {
        "metric": retention.metric,
        "higher_is_better": retention.higher_is_better,
        "joint": retention.joint,
        "R": retention.rows,
        "before": retention.before,
        "summary": retention.summary(),
    }


def _last_checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder, filename=CHECKPOINT.removesuffix(".ckpt"), train_time_interval=EVERY,
        enable_version_counter=False,
    )  # fmt: skip

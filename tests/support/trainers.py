"""Trainers that print, log and store nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
    "enable_progress_bar": False, "enable_model_summary": False,
}  # fmt: skip


def quiet_trainer(**options: Any) -> Trainer:
    """Return a Trainer on one processor; options come before what keeps it quiet."""
    return Trainer(**QUIET | options)


def fitting_trainer(**options: Any) -> Trainer:
    """Return a quiet Trainer that validates nothing."""
    return quiet_trainer(**{"num_sanity_val_steps": 0, "limit_val_batches": 0} | options)


def batches_trainer(batches: int, **options: Any) -> Trainer:
    """Return a quiet Trainer that fits so many batches."""
    return fitting_trainer(**{"max_epochs": 1, "limit_train_batches": batches} | options)


class Stop(Callback):
    """Stops after a batch, and keeps what a kill would leave: the checkpoint of that moment."""

    def __init__(self, batch: int, path: Path) -> None:
        self.batch, self.path = batch, path

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        if args[-1] + 1 == self.batch:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True

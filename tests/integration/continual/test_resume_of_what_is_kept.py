"""Learners that keep exemplars, balanced memories, means or matrices are resumed to the bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import MLP, Letters
from trainers import quiet_trainer

import tlml
from tlml import Retention

LEARNERS: dict[str, dict[str, Any]] = {
    "mer": {"memory_size": 6, "replay": 2, "s": 2},
    "icarl": {"memory_size": 7, "replay": 3, "lr": 0.1},
    "gdumb": {"memory_size": 7, "epochs_on_memory": 2},
    "ncm": {},
    "ranpac": {"projection": 8},
}
TASKS, BATCHES = 3, 4


class Interruption(Exception):
    """What stops a fit."""


class Stop(pl.Callback):
    """Stops a fit after so many batches, before the next one or within the validation."""

    def __init__(self, after: int, where: str) -> None:
        self.after, self.where = after, where

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.where == "batch" and trainer.global_step == self.after:
            raise Interruption

    def on_validation_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.where == "validation" and trainer.global_step == self.after:
            raise Interruption


def fit(name: str, folder: Path | None = None, stop: Stop | None = None) -> tuple[Any, Any]:
    learner = tlml.learner(name, **MLP, **LEARNERS[name])
    view = learner.view(Letters(), ways=2, batch_size=3, samples=12)
    callbacks: list[pl.Callback] = [stop] if stop else []
    if folder:
        callbacks.append(ModelCheckpoint(folder, save_last=True, every_n_train_steps=1))
    trainer = quiet_trainer(
        max_epochs=-1, num_sanity_val_steps=-1, callbacks=callbacks,
        enable_checkpointing=folder is not None,
    )  # fmt: skip
    last = folder / "last.ckpt" if folder else None
    path = last if last and last.exists() else None
    torch.manual_seed(0 if path else 1)  # neither run may lean on the global generator
    trainer.fit(learner, datamodule=view, ckpt_path=path, weights_only=True)
    assert trainer.global_step == TASKS * BATCHES
    return learner.state_dict(), Retention.of(trainer).state_dict()


@cache
def uninterrupted(name: str) -> tuple[Any, Any]:
    return fit(name)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("after", "where"), [(2, "batch"), (4, "validation"), (4, "batch"), (7, "batch")]
)
def test_a_resumed_fit_equals_the_uninterrupted_one(
    name: str, after: int, where: str, tmp_path: Path
) -> None:
    with pytest.raises(Interruption):
        fit(name, tmp_path, Stop(after, where))
    (found, row), (expected, rows) = fit(name, tmp_path), uninterrupted(name)
    assert found.keys() == expected.keys()
    assert [key for key, value in expected.items() if not torch.equal(found[key], value)] == []
    assert row == rows

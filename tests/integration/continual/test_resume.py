"""Fits of continual learners that are killed and resumed equal those that are not, bit for bit."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from resuming import equal
from tiny import Letters
from trainers import quiet_trainer

import tlml
from tlml import Retention

TASKS, SAMPLES, BATCH = 3, 12, 1
A_TASK = SAMPLES // BATCH
STEPS = TASKS * A_TASK
MEMORY: dict[str, Any] = {"memory_size": 8, "replay": 3}

# A row for each learner: options by which it does all that it can do.
LEARNERS: dict[str, dict[str, Any]] = {
    "naive": {"momentum": 0.5, "glances": 2},
    "joint": {},
    "er": {**MEMORY, "glances": 2, "optimizer": "adam"},
    "der": MEMORY,
    "ewc": {"strength": 1.0, "decay": 0.9, "fisher": "sampled"},
    "si": {"strength": 0.5, "glances": 2, "momentum": 0.5},
    "lwf": {},
    "agem": {**MEMORY, "glances": 2},
    "gem": {**MEMORY, "momentum": 0.5},
    "lamaml": {**MEMORY, "order": "second", "alpha_init": 0.05, "alpha_lr": 0.05},
    "sync_lamaml": {**MEMORY, "glances": 2, "alpha_init": 0.05, "path": "plain"},
    "cmaml": {**MEMORY, "variant": "paper", "alpha_init": 0.05},
    "mer": {**MEMORY, "s": 2},
    "icarl": MEMORY,
    "gdumb": {"memory_size": 8, "epochs_on_memory": 2},
    "ncm": {"lr": 0.03},  # takes no other
    "ranpac": {"lr": 0.03, "projection": 8},
}


class Interruption(Exception):
    """What kills a fit."""


class Kill(pl.Callback):
    """Kills a fit before the step of that number."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.at:
            raise Interruption


def fit(name: str, folder: Path | None = None, at: int = 0) -> Any:
    """Fit a learner: with a folder, until it is killed there, or from the checkpoint in it on.

    Returns:
        Parameters and buffers, the optimiser's state, and the rows of R.
    """
    rate = {} if name == "lamaml" else {"lr": 0.05}  # which has rates of its own
    options = {**rate, "network_options": {"hidden": [5]}, **LEARNERS[name]}
    learner = tlml.learner(name, network="mlp", **options)
    view = learner.view(Letters(), ways=2, batch_size=BATCH, samples=SAMPLES)
    callbacks: list[pl.Callback] = []
    path = folder / "last.ckpt" if folder else None
    if path and not path.exists():
        callbacks, path = [Kill(at)], None
    if folder:
        callbacks.append(ModelCheckpoint(folder, save_last=True, every_n_train_steps=at))
    trainer = quiet_trainer(
        max_epochs=-1, num_sanity_val_steps=-1, callbacks=callbacks,
        enable_checkpointing=folder is not None,
    )  # fmt: skip
    torch.manual_seed(0 if path else 1)  # neither run may lean on the global generator
    trainer.fit(learner, datamodule=view, ckpt_path=path, weights_only=True)
    assert trainer.global_step == STEPS
    state = Retention.of(trainer).state_dict()
    assert len(state["rows"]) == (1 if name == "joint" else TASKS)
    return learner.state_dict(), trainer.optimizers[0].state_dict(), state


@cache
def uninterrupted(name: str) -> Any:
    return fit(name)


def resumed(name: str, at: int, folder: Path) -> Any:
    with pytest.raises(Interruption):
        fit(name, folder, at)
    return fit(name, folder, at)


def drawn_place(name: str) -> int:
    """Return a place within the second or third task, the same in each run of the tests."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return int(A_TASK * rng.integers(1, TASKS) + rng.integers(1, A_TASK))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_fit_killed_within_a_task_and_resumed_equals_the_uninterrupted_one(name, tmp_path):
    assert equal(resumed(name, drawn_place(name), tmp_path), uninterrupted(name))


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "joint"])
def test_a_fit_killed_where_a_task_ends_equals_it_too(name, tmp_path):
    """The checkpoint of a task's last batch is of before anything is consolidated."""
    assert equal(resumed(name, A_TASK, tmp_path), uninterrupted(name))


@pytest.mark.parametrize("name", ["er", "lamaml"])
def test_rehearsal_may_be_killed_at_twenty_places(name, tmp_path):
    places = np.random.default_rng(0).permutation(np.arange(1, STEPS))[:20]
    assert len(places) == 20
    for place in places.tolist():
        found = resumed(name, place, tmp_path / f"{place}")
        assert equal(found, uninterrupted(name)), f"step {place}"


@pytest.mark.parametrize("name", LEARNERS)
def test_all_that_it_keeps_is_loaded_from_its_checkpoint(name, tmp_path):
    with pytest.raises(Interruption):
        fit(name, tmp_path, STEPS - 1)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert equal(dict(tlml.load(tmp_path / "last.ckpt").state_dict()), dict(saved))


def test_learners_differ_from_the_naive_one():
    """So that each has done what it is for, in the fits above."""
    plain = {k: v for k, v in uninterrupted("naive")[0].items() if k.startswith("network")}
    for name in LEARNERS:
        other = {k: v for k, v in uninterrupted(name)[0].items() if k.startswith("network")}
        assert other.keys() == plain.keys()
        assert name == "naive" or not equal(other, plain), name

"""Fits that stop at a batch and go on from there, and all that they leave."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import Dropping, Letters, Lines, Plain, Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import PairView
from tlml.testing.toys import LearnedRates

Made = tuple[tlml.Learner, tlml.View]


def maml() -> Made:
    learner = tlml.learner(
        "maml", network="mlp", network_options={"hidden": [5]}, strategy=LearnedRates(steps=2)
    )
    return learner, learner.view(Lines(), shots=2, queries=2, episodes=7, tasks_per_batch=2)


def supervised() -> Made:
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [5]})
    view = learner.view(
        Tables(classes=2, test=6), batch_size=8, shots=1, queries=2, unlabelled=True, balanced=True
    )
    return learner, view


def endless() -> Made:
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [5]})
    return learner, learner.view(Lines(), batch_size=8, samples=30)


def stream() -> Made:
    learner = Plain(network="mlp", network_options={"hidden": [5]}, batchnorm="stored")
    return learner, learner.view(Letters(), ways=2, batch_size=3)


def seeded(outputs: int = 1) -> Dropping:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return Dropping(2, outputs)


def dropping() -> Made:
    learner = tlml.learner("supervised", network=seeded(2))
    return learner, PairView(Tables(classes=2, test=6), batch_size=8)


def dropping_maml() -> Made:
    learner = tlml.learner("maml", network=seeded(3), strategy=tlml.strategy("sgd", steps=2))
    view = learner.view(Letters(), ways=3, shots=1, queries=1, episodes=8, tasks_per_batch=2)
    return learner, view


CASES: dict[str, tuple[Callable[[], Made], dict[str, Any]]] = {
    "maml": (maml, {}),
    "supervised": (supervised, {}),
    "endless": (endless, {}),
    "stream": (stream, {}),
    "dropout": (dropping, {}),
    "dropout_maml": (dropping_maml, {}),
    "accumulated": (supervised, {"accumulate_grad_batches": 2}),
    "accumulated_dropout": (dropping, {"accumulate_grad_batches": 2}),
    "limited": (maml, {"limit_train_batches": 3}),
    "limited_and_accumulated": (dropping, {"limit_train_batches": 3, "accumulate_grad_batches": 2}),
    "workers": (supervised, {"num_workers": 2}),
}


class Stop(pl.Callback):
    """Stops a fit before the batch of that number, counted from the beginning."""

    def __init__(self, at: int | None, stop: Callable[[], None]) -> None:
        self.left, self.stop = at, stop

    def on_train_batch_start(self, *args: Any) -> None:
        if self.left == 0:
            self.stop()
        self.left = None if self.left is None else self.left - 1


def fit(
    case: str,
    folder: Path | None = None,
    stop: Stop | None = None,
    saving: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[dict[str, Tensor], Any, int]:
    """Fit for three epochs, from the last checkpoint of `folder` on where there is one.

    Returns:
        Parameters and buffers, the optimiser's state, and the steps done.
    """
    make, own = CASES[case]
    learner, view = make()
    options = {**own, **options}
    view.num_workers = options.pop("num_workers", 0)
    callbacks: list[pl.Callback] = [stop] if stop else []
    if folder:
        how = saving or {"every_n_train_steps": 1}
        callbacks.append(ModelCheckpoint(folder, save_last=True, **how))
    trainer = quiet_trainer(
        max_epochs=3, callbacks=callbacks, enable_checkpointing=folder is not None, **options
    )
    last = folder / "last.ckpt" if folder else None
    path = last if last and last.exists() else None
    torch.manual_seed(0 if path else 1)  # neither run may lean on the global generator
    trainer.fit(learner, datamodule=view, ckpt_path=path, weights_only=True)
    return learner.state_dict(), trainer.optimizers[0].state_dict(), trainer.global_step


@cache
def uninterrupted(case: str) -> tuple[dict[str, Tensor], Any, int]:
    return fit(case)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)

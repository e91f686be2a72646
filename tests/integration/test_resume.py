"""A fit that was stopped at any batch and resumed ends with the bits of the uninterrupted one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS
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


class Interruption(Exception):
    """What stops a fit."""


class Stop(pl.Callback):
    """Stops a fit before the batch of that number, counted from the beginning."""

    def __init__(self, at: int | None, stop: Callable[[], None]) -> None:
        self.left, self.stop = at, stop

    def on_train_batch_start(self, *args: Any) -> None:
        if self.left == 0:
            self.stop()
        self.left = None if self.left is None else self.left - 1


def interrupt() -> None:
    raise Interruption


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


def batches_of(case: str) -> int:
    make, options = CASES[case]
    length = len(make()[1].train_dataloader())
    return 3 * min(length, options.get("limit_train_batches", length))


def resumed(case: str, at: int, **options: Any) -> tuple[dict[str, Tensor], Any, int]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with pytest.raises(Interruption):
            fit(case, folder, Stop(at, interrupt), **options)
        return fit(case, folder, **options)


@pytest.mark.parametrize("case", [case for case in CASES if case != "workers"])
@settings(max_examples=5)
@given(st.data())
def test_a_fit_resumed_at_any_batch_equals_the_uninterrupted_one(case, data):
    # Batch 0 of an epoch: stopped between epochs. The last one: saved before the epoch's end.
    at = data.draw(st.integers(1, batches_of(case) - 1))
    assert equal(resumed(case, at), uninterrupted(case))


@pytest.mark.parametrize("case", ["maml", "dropout", "stream", "limited_and_accumulated"])
def test_a_fit_resumed_between_epochs_equals_the_uninterrupted_one(case):
    epoch = batches_of(case) // 3
    for at in (epoch, 2 * epoch):
        assert equal(resumed(case, at), uninterrupted(case))


@pytest.mark.parametrize("case", ["supervised", "dropout_maml"])
@pytest.mark.parametrize(
    "saving",
    [
        {"every_n_epochs": 1},
        {"every_n_epochs": 1, "save_on_train_epoch_end": True},
        {"every_n_epochs": 1, "save_on_train_epoch_end": False},
    ],
    ids=["by default", "at the end of the epoch", "after the validation"],
)
def test_checkpoints_of_whole_epochs_are_resumed_as_well(case, saving):
    at = 2 * batches_of(case) // 3 + 1
    assert equal(resumed(case, at, saving=saving), uninterrupted(case))


def test_checkpoints_of_a_validation_within_an_epoch_are_resumed_as_well():
    saving = {"save_on_train_epoch_end": False, "monitor": "val_loss"}
    found = resumed("supervised", 9, saving=saving, val_check_interval=2)
    assert equal(found, uninterrupted("supervised"))


def test_a_fit_with_workers_equals_one_without_when_resumed():
    assert equal(resumed("workers", 6), uninterrupted("supervised"))


def test_a_fit_may_be_stopped_twice():
    with TemporaryDirectory() as name:
        for at in (2, 3):
            with pytest.raises(Interruption):
                fit("dropout", Path(name), Stop(at, interrupt))
        assert equal(fit("dropout", Path(name)), uninterrupted("dropout"))


def test_dropout_differs_between_batches_epochs_and_seeds():
    masks: dict[int, list[Tensor]] = {0: [], 1: []}

    def watch(seed: int) -> None:
        net = seeded(2)
        net.body[2].register_forward_hook(
            lambda module, inputs, output: (
                masks[seed].append(output == 0) if module.training else None
            )
        )
        learner = tlml.learner("supervised", network=net, seed=seed)
        view = PairView(Tables(classes=2, train=16, test=6), batch_size=8)
        quiet_trainer(max_epochs=2).fit(learner, datamodule=view)

    watch(0)
    watch(1)
    everything = [mask.flatten().tolist() for seed in masks for mask in masks[seed]]
    assert len(everything) == 24
    assert len({tuple(mask) for mask in everything}) == 24


def test_a_fit_may_be_stopped_between_epochs_and_then_within_one():
    # The first resume begins an epoch, and what it saves must say so.
    epoch = batches_of("dropout") // 3
    with TemporaryDirectory() as name:
        for at in (epoch, epoch // 2 + 1):
            with pytest.raises(Interruption):
                fit("dropout", Path(name), Stop(at, interrupt))
        assert equal(fit("dropout", Path(name)), uninterrupted("dropout"))


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {tests!r}
from test_resume import Stop, fit
fit("accumulated_dropout", Path({folder!r}), Stop(7, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


def test_a_fit_killed_outright_is_resumed_bit_for_bit(tmp_path: Path):
    script = SCRIPT.format(
        tests=[str(Path(__file__).parent), str(TESTS / "support")], folder=str(tmp_path)
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert killed.returncode == -9, killed.stderr.decode()
    assert (tmp_path / "last.ckpt").exists()
    assert equal(fit("accumulated_dropout", tmp_path), uninterrupted("accumulated_dropout"))

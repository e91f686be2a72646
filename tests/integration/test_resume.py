"""A fit that was stopped at any batch and resumed ends with the bits of the uninterrupted one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resuming import CASES, Stop, equal, fit, seeded, uninterrupted
from tiny import Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import PairView


class Interruption(Exception):
    """What stops a fit."""


def interrupt() -> None:
    raise Interruption


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
        view = PairView(Tables(classes=2, train=10, test=6), batch_size=8)
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

"""The end of a task of a stream: once a task, before it is measured, safe under resume."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import Letters, Plain
from torch import Tensor
from trainers import QUIET

import tlml
from tlml import Retention
from tlml.views import ViewSpaces

TASKS, BATCHES = 3, 4  # and one epoch a task


class Keeping(Plain):
    """Keeps a drawn example of each task and a slope, and moves its network when a task ends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(network="mlp", network_options={"hidden": [5]}, batchnorm="stored")
        self.calls: list[int] = []

    def prepare(self, spaces: ViewSpaces) -> None:
        self.register_buffer("kept", torch.zeros(TASKS, 2))
        self.register_buffer("slopes", torch.zeros(TASKS))

    def consolidate(self, task: int) -> None:
        assert not self.training
        self.calls.append(task)
        data = self.current_view().learned_from(task)
        self.kept[task] = data.x[int(torch.randint(len(data), ()))]
        loss = torch.nn.functional.cross_entropy(self.built()(data.x), data.y)
        slopes = torch.autograd.grad(loss, list(self.built().parameters()))
        self.slopes[task] = sum(slope.square().sum() for slope in slopes)
        with torch.no_grad():
            for parameter in self.built().parameters():
                parameter.mul_(0.9)


class Interruption(Exception):
    """What stops a fit."""


class Stop(pl.Callback):
    """Stops a fit after so many batches, which were saved, at one of the places that follow."""

    def __init__(self, after: int, where: str) -> None:
        self.after, self.where = after, where

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.where == "batch" and trainer.global_step == self.after:
            raise Interruption

    def on_validation_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.where == "validation" and trainer.global_step == self.after:
            raise Interruption

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.where == "epoch" and trainer.global_step == self.after:
            raise Interruption


def fit(
    folder: Path | None = None,
    stop: Stop | None = None,
    learner: Plain | None = None,
    **options: Any,
) -> tuple[Any, pl.Trainer]:
    learner = learner or Keeping()
    view = learner.view(Letters(), ways=2, batch_size=3, samples=12)
    callbacks: list[pl.Callback] = [stop] if stop else []
    if folder:
        callbacks.append(ModelCheckpoint(folder, save_last=True, every_n_train_steps=1))
    trainer = pl.Trainer(
        callbacks=callbacks,
        **{
            **QUIET, "max_epochs": -1, "num_sanity_val_steps": -1,
            "enable_checkpointing": folder is not None, **options,
        },
    )  # fmt: skip
    last = folder / "last.ckpt" if folder else None
    path = last if last and last.exists() else None
    torch.manual_seed(0 if path else 1)  # neither run may lean on the global generator
    trainer.fit(learner, datamodule=view, ckpt_path=path, weights_only=True)
    return learner, trainer


@cache
def uninterrupted() -> tuple[dict[str, Tensor], dict[str, Any]]:
    learner, trainer = fit()
    assert learner.calls == [0, 1, 2]
    assert trainer.global_step == TASKS * BATCHES
    return learner.state_dict(), Retention.of(trainer).state_dict()


def assert_equal_to_uninterrupted(learner: Any, trainer: pl.Trainer) -> None:
    state, retained = uninterrupted()
    assert learner.state_dict().keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(learner.state_dict()[name], value), name
    assert Retention.of(trainer).state_dict() == retained


@pytest.mark.parametrize(
    ("after", "where"),
    [
        (2, "batch"), (4, "batch"), (4, "validation"), (4, "epoch"), (5, "batch"),
        (8, "validation"), (11, "batch"), (12, "validation"), (12, "epoch"),
    ],
)  # fmt: skip
def test_a_stream_resumed_anywhere_equals_the_uninterrupted_one(after, where, tmp_path):
    with pytest.raises(Interruption):
        fit(tmp_path, Stop(after, where))
    assert_equal_to_uninterrupted(*fit(tmp_path))


def test_it_may_be_stopped_at_each_end_of_a_task_and_in_between(tmp_path):
    for after, where in ((4, "validation"), (6, "batch"), (8, "validation"), (9, "batch")):
        with pytest.raises(Interruption):
            fit(tmp_path, Stop(after, where))
    assert_equal_to_uninterrupted(*fit(tmp_path))


def test_it_comes_before_the_row_is_measured():
    rows: list[list[float]] = []

    class Emptied(Keeping):
        def consolidate(self, task: int) -> None:
            with torch.no_grad():
                for parameter in self.built().parameters():
                    parameter.zero_()

    learner, trainer = fit(learner=Emptied())
    rows = Retention.of(trainer).rows
    assert all(row == rows[0] for row in rows)  # equal scores: always the first class
    assert int(learner.consolidated) == TASKS


def test_without_validation_it_comes_when_the_epoch_ends(tmp_path):
    learner, _ = fit(limit_val_batches=0)
    for name, value in uninterrupted()[0].items():
        assert torch.equal(learner.state_dict()[name], value), name
    with pytest.raises(Interruption):
        fit(tmp_path, Stop(4, "epoch"), limit_val_batches=0)
    again, _ = fit(tmp_path, limit_val_batches=0)
    assert again.calls == [0, 1, 2][int(again.calls[0]) :]
    for name, value in uninterrupted()[0].items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_task_that_max_steps_cuts_has_not_ended():
    learner, trainer = fit(max_steps=3)
    assert (learner.calls, int(learner.consolidated)) == ([], 0)
    assert Retention.of(trainer).rows == []


def test_another_stream_begins_with_its_first_task():
    learner, _ = fit()
    learner.calls.clear()
    fit(learner=learner)
    assert learner.calls == [0, 1, 2]


def test_several_epochs_end_a_task_once():
    learner = Keeping()
    view = learner.view(Letters(), ways=2, batch_size=6, samples=12, epochs=2)
    pl.Trainer(**QUIET, max_epochs=-1).fit(learner, view)
    assert learner.calls == [0, 1, 2]


def test_only_learners_that_consolidate_have_a_buffer_for_it(tmp_path):
    learner, trainer = fit(learner=Plain(network="mlp"), max_steps=2)
    assert "consolidated" not in learner.state_dict()
    trainer.save_checkpoint(tmp_path / "plain.ckpt")
    assert "consolidated" in Keeping().state_dict()
    assert tlml.GradientLearner().consolidate(0) is None

"""What goes wrong with streams, and how it is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from refusals import fails
from tiny import Letters, Norms, Tables
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import Retention
from tlml.errors import DivergedError

SMALL: dict[str, Any] = {"network": "mlp", "network_options": {"hidden": [5]}}
MEMORY: dict[str, Any] = {"memory_size": 8, "replay": 3}


class Gap(Tables):
    """Tables of which the second has nothing to learn from."""

    def _table(self, split: Any, number: int) -> Any:
        table = super()._table(split, number)
        return table if number != 1 else table.__class__(table.name, table.x, table.y, 0, self.test)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (4, "task 1 of the stream: it has no examples to learn from, only 4 to judge it by; leave "
            "it out of the domain"),
        (0, "task 1 of the stream: it has 0 examples and no test part; 2 are needed at least, for "
            "some judge what is retained"),
    ],
)  # fmt: skip
def test_an_empty_task_stops_before_training(test: int, message: str) -> None:
    learner = tlml.learner("er", **SMALL, **MEMORY)
    view = learner.view(Gap(test=test))
    with fails(message):
        quiet_trainer(max_epochs=-1).fit(learner, view)


def test_a_head_that_lacks_the_classes_of_later_tasks_is_refused() -> None:
    learner = tlml.learner("er", network=nn.Linear(2, 2))
    with fails(
        "Er: the network gives (2, 2) for 2 inputs; the view needs 6 outputs each (its targets are "
        "Discrete(6))"
    ):
        learner.view(Letters(), ways=2)


def test_a_loss_that_is_not_finite_stops_and_the_checkpoint_of_before_is_kept(
    tmp_path: Path,
) -> None:
    net = nn.Linear(2, 6)
    learner = tlml.learner("er", network=net, **MEMORY)
    view = learner.view(Letters(), ways=2, batch_size=3, samples=12)
    saves = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1)
    trainer = quiet_trainer(max_epochs=-1, callbacks=[saves], enable_checkpointing=True)

    def break_down(*_: Any) -> None:
        if trainer.global_step == 6 and net.training:
            net.weight.data.fill_(float("nan"))

    net.register_forward_pre_hook(break_down)
    with pytest.raises(DivergedError) as caught:
        trainer.fit(learner, view)
    assert str(caught.value) == "er: the loss is nan in step 6, in task 1; lower lr (0.03)"
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 6
    assert all(bool(torch.isfinite(value).all()) for value in kept["state_dict"].values())
    again = tlml.learner("er", network=nn.Linear(2, 6), **MEMORY)
    saves = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1)
    resumed = quiet_trainer(max_epochs=-1, callbacks=[saves], enable_checkpointing=True)
    again.meet(view.spaces)
    resumed.fit(again, view, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert resumed.global_step == 12


def saved(tmp_path: Path, **options: Any) -> Path:
    learner = tlml.learner("er", **SMALL, **MEMORY)
    trainer = quiet_trainer(max_epochs=-1, max_steps=5, limit_val_batches=0)
    trainer.fit(learner, learner.view(Letters(), ways=2, samples=12, batch_size=3, **options))
    trainer.save_checkpoint(tmp_path / "at.ckpt", weights_only=False)
    return tmp_path / "at.ckpt"


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ({}, {"order": "shuffled"}, "order=domain (here shuffled)"),
        ({"order": "shuffled"}, {"order": "shuffled", "seed": 1}, "seed=0 (here 1)"),
        ({}, {"tasks": 2}, "tasks=3 (here 2)"),
        ({}, {"samples": 10, "batch_size": 2}, "samples=12 (here 10), batch_size=3 (here 2)"),
        ({}, {"epochs": 2}, "epochs=1 (here 2)"),
        ({"scenario": "task"}, {}, "scenario=task (here None)"),
    ],
)
def test_another_stream_than_the_checkpoint_s_is_refused(
    there: dict[str, Any], here: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, **there)
    learner = tlml.learner("er", **SMALL, **MEMORY)
    view = learner.view(Letters(), **{"ways": 2, "samples": 12, "batch_size": 3, **here})
    with fails(
        f"stream: the checkpoint's has {said}, so that other batches would follow than those that "
        "it was on the way to; take that stream, or fit without ckpt_path"
    ):
        quiet_trainer(max_epochs=-1).fit(learner, view, ckpt_path=path, weights_only=True)


def test_the_checkpoint_serves_other_views_as_before(tmp_path: Path) -> None:
    path = saved(tmp_path)
    learner = tlml.load(path)
    view = learner.view(Letters(), ways=2, samples=12, batch_size=3, order="domain", seed=7)
    trainer = quiet_trainer(max_epochs=-1, callbacks=[Retention()])
    trainer.validate(learner, view, ckpt_path=path, verbose=False, weights_only=True)
    trainer.fit(learner, view)  # anew
    assert trainer.global_step == 12


@pytest.mark.parametrize(
    ("options", "stream", "times"),
    [({"momentum": 0.9}, {}, 1), ({}, {}, 0), ({"momentum": 0.9}, {"epochs": 2}, 0)],
)
def test_momentum_in_a_single_pass_is_said_once_and_not_forbidden(
    options: dict[str, Any], stream: dict[str, Any], times: int, caplog: pytest.LogCaptureFixture
) -> None:
    learner = tlml.learner("naive", **SMALL, **options)
    view = learner.view(Letters(), ways=2, samples=12, batch_size=6, **stream)
    with caplog.at_level("INFO"):
        quiet_trainer(max_epochs=-1).fit(learner, view)
    assert caplog.text.count(
        "naive: each batch comes once, and momentum=0.9 carries gradients of old batches into new "
        "tasks; recipes of single passes have momentum=0"
    ) == times  # fmt: skip


@pytest.mark.parametrize(("net", "times"), [(Norms(2, 6), 1), (nn.Linear(2, 6), 0)])
def test_what_r_measures_of_batchnorm_is_said_once(
    net: nn.Module, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    learner = tlml.learner("naive", network=net)
    with caplog.at_level("INFO"):
        view = learner.view(Letters(), ways=2, samples=12, batch_size=6)
        quiet_trainer(max_epochs=-1).fit(learner, view)
    assert caplog.text.count(
        "naive: the network has BatchNorm, so R measures it with the statistics stored in "
        "training, which are those of the last tasks; GroupNorm stores none"
    ) == times  # fmt: skip


def in_two_processes(name: str, **options: Any) -> None:
    learner = tlml.learner(name, **SMALL, **options)
    view = learner.view(Letters(), ways=2, samples=12)
    learner._trainer = SimpleNamespace(world_size=2, datamodule=view, precision_plugin=None)
    learner.on_fit_start()


@pytest.mark.parametrize("name", ["er", "der", "agem", "gem"])
def test_a_memory_is_refused_in_several_processes(name: str) -> None:
    with fails(
        f"{name.capitalize()}: its buffer buffer.x would be the first of 2 processes' alone, "
        "whatever the others put into theirs; take devices=1, or set equal_buffers = True on a "
        "learner that fills it equally in all"
    ):
        in_two_processes(name, **MEMORY)


@pytest.mark.parametrize("name", ["naive", "ewc", "si", "lwf"])
def test_glances_are_refused_in_several_processes_and_nothing_else(name: str) -> None:
    in_two_processes(name)
    with fails(
        "glances: steps within a training step have no gradient scaler and are not shared among "
        "processes; take glances=1, or devices=1"
    ):
        in_two_processes(name, glances=2)


def test_a_penalty_that_diverges_names_its_strength() -> None:
    learner = tlml.learner("ewc", lr=0.5, strength=1e6, **SMALL)
    view = learner.view(Letters(), ways=2, samples=12, batch_size=1)
    with pytest.raises(
        DivergedError, match=r"in task [12]; lower lr \(0.5\) or strength \(1000000"
    ):
        quiet_trainer(max_epochs=-1).fit(learner, view)

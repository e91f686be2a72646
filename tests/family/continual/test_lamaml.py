"""What a fit of La-MAML draws, keeps and says, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lamaml_sides import KINDS, VARIANTS, every, network
from refusals import fails
from tiny import Tables
from trainers import quiet_trainer

import tlml
from tlml import Batch, Step
from tlml.errors import DivergedError
from tlml.learners.keyed_draws import keyed_draws


class Seen(pl.Callback):
    """Keeps the batches of a fit."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Step, *_: Any) -> None:
        self.steps.append(batch)


@pytest.mark.parametrize(("kind", "variant"), every(KINDS, VARIANTS))
def test_a_fit_is_glances_on_keyed_draws(kind: str, variant: str) -> None:
    """Sample(R) comes before what a look shows to R, which is once a batch."""
    options: dict[str, Any] = {
        "network": "mlp", "network_options": {"hidden": [6]}, "variant": variant, "glances": 2,
        "memory_size": 7, "replay": 3, "alpha_init": 0.02, "alpha_lr": 0.01, "seed": 3,
    }  # fmt: skip
    if kind != "lamaml":
        options["lr"] = 0.02
    learner = tlml.learner(kind, **options)
    view = learner.view(Tables(), batch_size=5)
    seen = Seen()
    trainer = quiet_trainer(max_steps=6, max_epochs=-1, limit_val_batches=0, callbacks=[seen])
    trainer.fit(learner, view)
    assert trainer.global_step == 6
    other = tlml.learner(kind, **options)
    other.meet(view.spaces)
    for number, step in enumerate(seen.steps):
        epoch, place = divmod(number, 2)
        with keyed_draws((3, epoch, place, 0), torch.device("cpu")):
            own = step.batch
            for look in range(2):
                if variant == "official":
                    order = torch.randperm(len(own.x))
                    given = Batch(own.x[order], own.y[order])
                else:
                    given = own
                memory, replay = other.buffer, None
                if len(memory):
                    n = min(3, len(memory))
                    if variant == "official":
                        places = torch.randint(len(memory), (n,))
                    else:
                        places = torch.randperm(len(memory))[:n]
                    replay = memory.at(places)
                other.meta_update(given, replay)
                if look == 0:
                    memory.push(given, step.task)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(learner.state_dict()[name], value, rtol=0, atol=0)
    assert int(learner.buffer.age) == 30  # each example once an epoch


def test_a_fit_that_diverges_says_where() -> None:
    learner = tlml.learner(
        "lamaml", network="mlp", variant="paper", alpha_init=1e20, alpha_lr=0.3, memory_size=10
    )
    trainer = quiet_trainer(max_epochs=-1)
    message = (
        r"lamaml: the loss is (nan|inf) in step \d, in task 0; lower alpha_init \(1e\+20\) or "
        r"alpha_lr \(0\.3\)"
    )
    with pytest.raises(DivergedError, match=message):
        trainer.fit(learner, learner.view(Tables()))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("lamaml", {"lr": 0.1},
         "lr: lamaml steps by rates of its own; take alpha_init, alpha_lr"),
        ("cmaml", {"momentum": 0.9},
         "momentum: cmaml steps by rates of its own; take alpha_init, alpha_lr"),
        ("lamaml", {"variant": "printed"}, "variant: 'printed' is not one of official, paper"),
        ("lamaml", {"path": "fast"},
         "path: 'fast' is not one of auto, plain, adjoint, closed, compiled"),
        ("lamaml", {"grad_clip_norm": -1.0}, "grad_clip_norm: must be at least 0, is -1.0"),
        ("lamaml", {"push": "never"}, "push: 'never' is not one of once, epoch, glance"),
        ("sync_lamaml", {"strategy": "sgd"},
         "strategy: sync_lamaml keeps a rate for each entry of each parameter in it, and Sgd has "
         "none for '0.weight'; take meta_sgd"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(kind: str, options: Any, message: str) -> None:
    with fails(message):
        tlml.learner(kind, network=network(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0},
         "gradient_clip_val, accumulate_grad_batches: lamaml takes its steps itself, one a look; "
         "take its grad_clip_norm, or a larger batch_size"),
        ({"accumulate_grad_batches": 2},
         "gradient_clip_val, accumulate_grad_batches: lamaml takes its steps itself, one a look; "
         "take its grad_clip_norm, or a larger batch_size"),
    ],
)  # fmt: skip
def test_what_a_trainer_does_to_gradients_is_refused(options: Any, message: str) -> None:
    learner = tlml.learner("lamaml", network="mlp", memory_size=10)
    with fails(message):
        quiet_trainer(max_epochs=-1, **options).fit(learner, learner.view(Tables()))


def test_a_gradient_scaler_is_refused_whatever_the_glances() -> None:
    learner = tlml.learner("lamaml", network="mlp", memory_size=10)
    view = learner.view(Tables())
    learner._trainer = SimpleNamespace(
        precision_plugin=SimpleNamespace(scaler=object()), world_size=1
    )
    with fails(
        "precision: 16-mixed scales losses, which lamaml does not; take precision bf16-mixed or "
        "32-true"
    ):
        learner.check(view)

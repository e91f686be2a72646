"""Learners with a network: building, optimisers, and what they own beside it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tlml
from tlml import Batch, EpisodeView, GradientLearner, TlmlError
from tlml.learners import Estimator, NetworkLearner
from tlml.networks import mlp
from tlml.testing.toys import Planes
from tlml.views import ViewSpaces


class Plain(NetworkLearner):
    """Predicts by its network, and does nothing else."""

    view_type = EpisodeView

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        found: Tensor = self.built()(x)
        return found


class Remembering(GradientLearner):
    """Owns a buffer whose size follows from the inputs."""

    prepared = 0

    def __init__(self, network: Any = "mlp", *, room: int = 3, **options: Any) -> None:
        super().__init__(network, **options)
        self.room = room

    def prepare(self, spaces: ViewSpaces) -> None:
        assert self.network is not None
        self.prepared += 1
        self.register_buffer("kept", torch.zeros(self.room, *(spaces.x.shape or ())))


def test_agents_don_t_have_the_options_of_what_adapts() -> None:
    options = Plain(mlp((2,), 1)).options
    assert {"lr", "optimizer", "weight_decay", "momentum", "fused", "seed"} <= options.keys()
    assert not {"vectorize", "memory", "chunk_size", "batchnorm", "loss"} & options.keys()


@pytest.mark.parametrize(("given", "momentum"), [({}, 0.9), ({"momentum": 0.0}, 0.0)])
def test_momentum_is_that_of_sgd(given: dict[str, float], momentum: float) -> None:
    made = Plain(mlp((2,), 1), optimizer="sgd", **given)
    (group,) = made.configure_optimizers().param_groups
    assert group["momentum"] == momentum
    assert "momentum" not in Plain(mlp((2,), 1), **given).configure_optimizers().defaults


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("fused", [False, True])
def test_fused_is_off_by_default(optimizer: Any, fused: bool) -> None:
    made = Plain(mlp((2,), 1), optimizer=optimizer, fused=fused)
    assert bool(made.configure_optimizers().defaults["fused"]) is fused
    assert not Plain(mlp((2,), 1), optimizer=optimizer).configure_optimizers().defaults["fused"]


def test_without_momentum_a_step_is_plain_gradient_descent() -> None:
    made = Plain(nn.Linear(1, 1, bias=False), optimizer="sgd", lr=0.1, momentum=0.0)
    (weight,) = made.parameters()
    before, optimizer = weight.item(), made.configure_optimizers()
    for _ in range(2):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert weight.item() == pytest.approx(before - 0.2)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(TlmlError, match=r"^momentum: must be at least 0, is -1"):
        Plain(mlp((2,), 1), momentum=-1)


def test_a_network_by_name_waits_for_its_sizes() -> None:
    made = Plain("mlp")
    message = "Plain: the network 'mlp' is not built yet: no view told its sizes; call learner.view"
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}"):
        made.built()
    made.view(Planes())
    assert isinstance(made.built(), nn.Module)


# What is owned beside the network


@pytest.mark.parametrize("network", ["mlp", None])
def test_what_is_owned_is_prepared_once_when_a_view_is_met(network: str | None) -> None:
    made = Remembering(network or mlp((3,), 2), room=5)
    assert made.prepared == 0
    made.view(Planes())
    assert made.kept.shape == (5, 3)
    made.view(Planes())
    made.configure_model()
    assert made.prepared == 1


def test_what_is_owned_is_there_when_a_checkpoint_is_loaded(tmp_path: Path) -> None:
    import pytorch_lightning as pl

    made = Remembering(room=4)
    made.view(Planes())
    made.kept += 2
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(made)
    trainer.save_checkpoint(tmp_path / "it.ckpt", weights_only=False)
    path = tmp_path / "it.ckpt"
    ours = Remembering.load_from_checkpoint(path, weights_only=True)
    assert torch.equal(ours.kept, made.kept)
    assert ours.prepared == 1


def test_what_needs_no_network_is_prepared_too() -> None:
    class Counting(Estimator):
        def prepare(self, spaces: ViewSpaces) -> None:
            self.register_buffer("count", torch.zeros(()))

    made = Counting()
    made.view(Planes())
    assert "count" in made.state_dict()
    assert tlml.learner("estimator").state_dict().keys() == {*Estimator().state_dict()}


def _in_processes(learner: Any, number: int) -> None:
    learner._trainer = SimpleNamespace(world_size=number, datamodule=None)
    learner.on_fit_start()


def test_buffers_of_its_own_are_refused_where_several_processes_would_fill_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Remembering, "current_view", lambda self: None)
    made = Remembering()
    made.view(Planes())
    _in_processes(made, 1)
    with pytest.raises(TlmlError) as caught:
        _in_processes(made, 2)
    assert str(caught.value) == (
        "Remembering: its buffer kept would be the first of 2 processes' alone, whatever the "
        "others put into theirs; take devices=1, or set equal_buffers = True on a learner that "
        "fills it equally in all"
    )
    monkeypatch.setattr(Remembering, "equal_buffers", True)
    _in_processes(made, 2)


def test_buffers_of_the_network_are_everybody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GradientLearner, "current_view", lambda self: None)
    made = tlml.learner("maml", network=nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    made.view(Planes())
    _in_processes(made, 2)

"""Paths of La-MAML: which networks take which, and that all compute the same."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from lamaml_sides import CLASSES, ORDERS, PATHS, distance, draws, network, sides
from refusals import stops
from tiny import Letters
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import Batch
from tlml_continual.lamaml_paths.layers import perceptron_of


def perceptrons() -> dict[str, nn.Module]:
    return {
        "relu": network(),
        "tanh": network(nn.Tanh(), nn.Tanh()),
        "three": nn.Sequential(
            nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4), nn.Tanh(),
            nn.Linear(4, CLASSES),
        ),
        "one": nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, CLASSES)),
    }  # fmt: skip


@pytest.mark.parametrize("loss_at", ["mean", "last"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", list(perceptrons()))
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("path", ["adjoint", "closed"])
def test_paths_agree_on_perceptrons_of_all_forms_and_both_losses(
    kind: str, order: str, loss_at: str, values: bool, path: str
) -> None:
    found = []
    for taken in ("plain", path):
        net = perceptrons()[kind].double()
        if values:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(4)
                net[-1] = nn.Linear(net[-1].in_features, 2).double()
        learner = tlml.learner(
            "lamaml", network=net, order=order, loss_at=loss_at, path=taken, alpha_init=0.1,
            alpha_lr=0.1,
        ).double()  # fmt: skip
        if kind in ("three", "one"):
            rng = torch.Generator().manual_seed(2)
            for p in net.parameters():
                p.data.copy_(torch.randn(p.shape, generator=rng) * 0.5)
        for number in range(3):
            own, replay = draws(number)
            if values:
                own, replay = (Batch(x, x[:, :2].sin()) for x, _ in (own, replay))
            learner.meta_update(own, replay)
        found.append([*net.parameters(), *learner.alpha.values()])
    assert distance(found[1], found[0]) < 1e-10


def test_networks_that_are_no_perceptrons_take_another_path() -> None:
    shared = nn.Linear(6, 6)
    others = {
        "norm": nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 2)),
        "two activations": network(nn.Tanh(), nn.ReLU()),
        "no bias": nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 2)),
        "gelu": network(nn.GELU(), nn.GELU()),
        "shared": nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 2)),
        "twice linear": nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)),
        "linear": nn.Sequential(nn.Linear(6, 2)),
        "activation last": nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2), nn.ReLU()),
    }
    assert [name for name, net in others.items() if perceptron_of(net) is not None] == []
    hooked, frozen = network(), network()
    hooked[1].register_forward_hook(lambda *_: None)
    frozen[0].bias.requires_grad_(False)
    assert perceptron_of(hooked) is None
    assert perceptron_of(frozen) is None
    found = perceptron_of(tlml.networks.mlp((2, 3), 4, hidden=(5,)))
    assert found is not None
    assert found.weights == ("blocks.hidden1.linear.weight", "head.weight")
    assert found.flattens
    assert not perceptron_of(network()).flattens  # type: ignore[union-attr]


def test_frozen_parameters_stay_and_the_others_learn() -> None:
    net = network()
    net[0].weight.requires_grad_(False)
    learner = tlml.learner("lamaml", network=net).double()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    learner.meta_update(*draws(0))
    same = {name: torch.equal(p, before[name]) for name, p in net.named_parameters()}
    assert [name for name, equal in same.items() if equal] == ["0.weight"]
    with stops("path: 'closed' can't be taken: the network is no perceptron"):
        other = tlml.learner("lamaml", network=net.__class__(*net), path="closed").double()
        other.meta_update(*draws(0))


def test_masked_classes_have_no_part_in_the_loss() -> None:
    """Tasks that are told: three paths on a stream of classes, with equal outcomes."""
    found = []
    for path in PATHS:
        learner = tlml.learner(
            "lamaml", network="mlp", network_options={"hidden": [6, 5]}, path=path, order="second",
            memory_size=8, replay=3, alpha_init=0.05, alpha_lr=0.05, glances=2,
        )  # fmt: skip
        view = learner.view(Letters(), ways=2, batch_size=4, scenario="task")
        learner.double()
        quiet_trainer(max_steps=6, max_epochs=-1, limit_val_batches=0).fit(learner, view)
        found.append(list(learner.network.parameters()))
    assert distance(found[1], found[0]) < 1e-9
    assert distance(found[2], found[0]) < 1e-9


def test_learners_are_copied_and_pickled_with_their_paths() -> None:
    learner, _ = sides("lamaml", order="second")
    learner.meta_update(*draws(0))
    for other in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):
        other.meta_update(*draws(1))
        assert not torch.equal(other.network[0].weight, learner.network[0].weight)

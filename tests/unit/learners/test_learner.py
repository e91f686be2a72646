"""Learners: how their networks come about, and predictions without a Trainer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from refusals import fails
from small_learners import FOUR, SMALL
from tiny import Letters
from torch import nn

import tlml
from tlml import Batch
from tlml.views import ViewSpaces


def test_a_given_module_is_there_at_once_and_a_named_one_with_the_view():
    net = nn.Linear(2, 4)
    assert tlml.learner("maml", network=net).network is net
    learner = tlml.learner("maml", **SMALL)
    assert learner.network is None
    with fails(
        "Maml: the network 'mlp' is not built yet: no view told its sizes; call "
        "learner.view(domain, ...), or pass the view as datamodule"
    ):
        learner.built()
    learner.view(FOUR)
    assert learner.network is not None


@pytest.mark.parametrize(
    ("domain", "kind"), [(FOUR, "hidden1"), (Letters(shape=(1, 16, 16)), "conv1")]
)
def test_auto_builds_for_the_inputs_by_key(domain, kind):
    learners = [tlml.learner("maml", seed=seed) for seed in (0, 0, 1)]
    for learner in learners:
        learner.view(domain, ways=3)
    first, again, other = (learner.network.state_dict() for learner in learners)
    assert kind in learners[0].network.blocks
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_outputs_that_do_not_fit_the_view_are_refused():
    with fails(
        "Maml: the network gives (2, 3) for 2 inputs; the view needs 4 outputs each (its targets "
        "are Discrete(4))"
    ):
        tlml.learner("maml", network=nn.Linear(2, 3)).view(FOUR)


def test_looking_at_the_outputs_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 4))
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    tlml.learner("maml", network=net).view(FOUR)
    assert torch.equal(torch.rand(1), expected)
    assert [module.training for module in net] == [True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_inputs_that_are_no_floats_are_looked_at_as_such():
    net = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(6, 2))
    learner = tlml.learner("maml", network=net)
    learner.meet(ViewSpaces(Box(0, 9, (2,), np.int64), Discrete(2)))
    assert learner.view_spaces.y == Discrete(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr: must be greater than 0, is 0.0"),
        ({"weight_decay": -1.0}, "weight_decay: must be at least 0, is -1.0"),
        ({"seed": -1}, "seed: must be at least 0, is -1"),
        ({"optimizer": "adma"}, "optimizer: 'adma' is not one of adam, adamw, sgd"),
        ({"batchnorm": "none"}, "batchnorm: 'none' is not one of batch, stored"),
        ({"vectorize": "map"}, "vectorize: 'map' is not one of auto, vmap, stack, loop"),
        (
            {"network": nn.Linear(1, 1), "network_options": {"hidden": [3]}},
            "network_options: they are of a named network; this one is a module",
        ),
        ({"network": 3}, "network: must be a name, a class path or a module, is 3"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    from tlml_maml.maml import Maml

    with fails(message):
        Maml(**options)


@pytest.mark.parametrize("name", ["maml", "supervised"])
def test_predictions_need_no_trainer(name):
    learner = tlml.learner(name, **SMALL)
    learner.view(FOUR)
    task = FOUR.tasks("target")[0]
    support = Batch(task.x[:12], task.y[:12])
    scores = learner.predict(support, task.x[12:])
    assert scores.shape == (12, 4)
    assert not scores.requires_grad
    assert torch.equal(scores, learner(support, task.x[12:]))
    network = learner.network.eval()
    nothing = learner.predict(Batch(task.x[:0], task.y[:0]), task.x[12:])
    assert torch.equal(nothing, network(task.x[12:]))
    assert not torch.equal(scores, nothing)

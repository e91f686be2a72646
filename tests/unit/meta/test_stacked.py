"""Tasks on stacked parameters."""

from __future__ import annotations

import copy

import pytest
import torch
from meta_gradients import learner_of, perceptron, same, slopes, waves
from refusals import stops
from torch import nn

import tlml
from tlml import Batch, Episode


def test_stacking_what_can_not_be_stacked_says_why():
    learner = learner_of(perceptron(nn.PReLU()), vectorize="stack")
    with stops(
        "vectorize: 'stack' does not go with Maml: the network has other layers than linear ones, "
        "norms and activations; take 'vmap', 'loop' or 'auto'"
    ):
        learner.meta_loss(waves())


def test_stacked_tasks_have_a_dropout_of_their_own():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1, bias=False))
    nn.init.ones_(net[1].weight)
    learner = learner_of(net, tlml.strategy("sgd", lr=0.1, steps=0), vectorize="stack")
    batch = Batch(torch.ones(64, 1, 2).double(), torch.zeros(64, 1, 1).double())
    loss = float(learner.meta_loss(Episode(batch, batch)).detach())
    assert 0 < loss < 16  # one mask for all would give 0, 4 or 16
    assert loss != 4


@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_width_one_equal_the_loop(bias):
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(
            nn.Linear(1, 6, bias=bias), nn.Tanh(), nn.Linear(6, 1, bias=bias), nn.Tanh(),
            nn.Linear(1, 1, bias=bias),
        )  # fmt: skip
    x = torch.randn(3, 5, 4, 1, dtype=torch.float64)  # four rows an example
    batch = Episode(Batch(x, x.sin()), Batch(x + 1, x.cos()))
    found = [
        slopes(learner_of(copy.deepcopy(net), vectorize=path), batch) for path in ("stack", "loop")
    ]
    same(*found)

"""ANIL, BOIL and Meta-SGD are MAML on a part or with rates of its own, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from family_oracles import KINDS, ORDERS, PATHS, RATE, check_equal, episode, made, moving, slopes_of
from inner_loops import PROBLEMS, differentiated, outer_loss
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode


# ANIL and BOIL
@KINDS
@PATHS
@ORDERS
@pytest.mark.parametrize(("name", "loop"), [("anil", "head_sgd"), ("boil", "body_sgd")])
def test_anil_and_boil_are_maml_on_a_part(kind, path, first_order, name, loop):
    inner = {"name": loop, "options": {"lr": RATE, "steps": 3}}
    options = {"strategy": inner, "first_order": first_order, "vectorize": path}
    loss, found = slopes_of(made(name, PROBLEMS[kind].network(), **options), episode(kind))
    whole, slopes = slopes_of(made("maml", PROBLEMS[kind].network(), **options), episode(kind))
    torch.testing.assert_close(loss, whole, rtol=1e-13, atol=0)
    check_equal(found, slopes, 1e-10)
    params = {
        n: p.detach().requires_grad_() for n, p in PROBLEMS[kind].network().named_parameters()
    }
    rule = moving(kind, head=name == "anil")
    slow = outer_loss(PROBLEMS[kind], rule, params, 3, first_order=first_order)
    check_equal(found, differentiated(slow, params))


@pytest.mark.parametrize("memory", ["normal", "low"])
def test_anil_takes_the_features_of_a_support_once(memory):
    passes = []
    network = PROBLEMS["convnet"].network()
    network[0].register_forward_hook(lambda *_: passes.append(1))
    inner = tlml.strategy("head_sgd", lr=RATE, steps=4)
    learner = made("anil", network, strategy=inner, vectorize="loop", memory=memory)
    _, found = slopes_of(learner, episode("convnet"))
    assert len(passes) == 3 * 2  # support and query of three tasks
    inner = tlml.strategy("head_sgd", lr=RATE, steps=4)
    whole = made("maml", PROBLEMS["convnet"].network(), strategy=inner, vectorize="loop")
    check_equal(found, slopes_of(whole, episode("convnet"))[1], 1e-10)


class Scaled(nn.Module):
    """A network that does something after its head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 2]`` to ``[n, 2]``."""
        return 3 * torch.tanh(self.head(torch.tanh(self.body(x))))


@PATHS
def test_anil_is_right_where_something_follows_the_head(path):
    torch.manual_seed(0)
    network = Scaled().double()
    found = []
    for name in ("anil", "maml"):
        inner = tlml.strategy("head_sgd", lr=RATE, steps=3)
        learner = made(name, copy.deepcopy(network), strategy=inner, vectorize=path)
        found.append(slopes_of(learner, episode("perceptron"))[1])
    check_equal(*found, 1e-10)


def test_anil_reshapes_what_the_head_gives_as_the_network_does():
    torch.manual_seed(0)
    network = tlml.Network(
        {"one": nn.Sequential(nn.Linear(2, 4), nn.Tanh())}, nn.Linear(4, 6), output_shape=(3, 2)
    ).double()
    x = torch.randn(2, 5, 2).double()
    data = Episode(Batch(x, torch.randn(2, 5, 3, 2)), Batch(x, torch.randn(2, 5, 3, 2)))
    found = []
    for name in ("anil", "maml"):
        inner = tlml.strategy("head_sgd", lr=RATE, steps=3)
        learner = made(name, copy.deepcopy(network), strategy=inner, vectorize="loop")
        found.append(slopes_of(learner, data)[1])
    check_equal(*found, 1e-10)


# Meta-SGD
@KINDS
@ORDERS
def test_meta_sgd_with_equal_rates_is_maml(kind, first_order):
    found = []
    for name, loop in (("meta_sgd", "meta_sgd"), ("maml", "sgd")):
        inner = tlml.strategy(loop, lr=RATE, steps=2)
        learner = made(name, PROBLEMS[kind].network(), strategy=inner, first_order=first_order)
        found.append(slopes_of(learner, episode(kind))[1])
    check_equal(*found, 1e-12)

"""Parameters as they were drawn first, and what a user froze."""

from __future__ import annotations

import math

import pytest
import torch
from built import CASES, Headed, box, build, message, same
from gymnasium.spaces import Discrete
from torch import nn

from tlml.networks import (
    build_network,
    call_with,
    fresh_parameters,
    frozen_parameters,
)


@pytest.mark.parametrize("name", CASES)
def test_fresh_parameters_are_keyed_and_leave_the_network(name):
    network = build(name)
    for parameter in network.parameters():
        parameter.data.fill_(7.0)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    fresh = fresh_parameters(network, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(network.state_dict(), before)
    assert list(fresh) == [key for key, _ in network.named_parameters()]
    assert all((tensor != 7).all() and not tensor.requires_grad for tensor in fresh.values())
    assert same(fresh, fresh_parameters(network, 1))
    assert not same(fresh, fresh_parameters(network, 2))


def test_fresh_parameters_are_drawn_as_the_first_ones_were():
    network = build_network("mlp", box(50), Discrete(50), 0, {"hidden": [50]})
    fresh = fresh_parameters(network, 1)
    for name, parameter in network.named_parameters():
        assert fresh[name].abs().max() <= 1 / math.sqrt(50)
        assert 0.8 < fresh[name].std() / parameter.std() < 1.25


def test_fresh_parameters_keep_the_type_and_reset_attention_as_torch_does():
    layer = nn.TransformerEncoderLayer(8, 2, 16).double()
    layer.self_attn.in_proj_weight.data.fill_(7.0)
    fresh = fresh_parameters(layer, 0)
    assert {tensor.dtype for tensor in fresh.values()} == {torch.float64}
    assert fresh["self_attn.in_proj_weight"].abs().max() < 1
    assert not fresh["self_attn.out_proj.bias"].any(), "attention starts its children itself"


def test_a_module_that_cannot_start_anew_is_named():
    network = Headed(body=nn.ParameterList([torch.zeros(2)]), head=nn.Linear(2, 2))
    assert message(fresh_parameters, network, 0) == (
        "module 'body' (ParameterList) owns parameters and has no reset_parameters(); "
        "write one, which initialises them anew"
    )


def test_what_a_user_froze_is_known_but_not_what_stands_in_its_place():
    network = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    network[0].requires_grad_(False)
    assert frozen_parameters(network) == {"0.weight", "0.bias"}
    seen = []
    network.register_forward_hook(lambda module, *_: seen.append(frozen_parameters(module)))
    call_with(network, {"1.bias": torch.zeros(1), "0.bias": torch.zeros(2)}, torch.ones(1, 1))
    assert seen == [{"0.weight"}]

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from tlml.networks import conv4, layers_of
from tlml.networks.layers import Layer, layer_outputs, norm, relative_change, spread_of


class Owned(nn.Module):
    """A network of no base class of tlml's: a recurrent body, dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.GRU(2, 3, batch_first=True)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, time, 2]`` to ``[n, 2]``."""
        states, _ = self.body(x)
        scores: Tensor = self.fc(self.drop(states[:, -1]))
        return scores


def test_a_network_has_its_blocks_in_order_and_the_head() -> None:
    layers = layers_of(conv4((1, 8, 8), 3, channels=2, blocks=3))
    assert [layer.name for layer in layers] == ["conv1", "conv2", "conv3", "head"]
    assert layers[0].path == "blocks.conv1"


def test_other_modules_have_their_children_with_parameters() -> None:
    assert [layer.name for layer in layers_of(Owned())] == ["body", "fc"]
    assert layers_of(nn.Linear(1, 1)) == [Layer("Linear", "")]


def test_the_layers_of_a_network_hold_each_parameter_once() -> None:
    network = conv4((1, 8, 8), 3, channels=2, blocks=3)
    params = dict(network.named_parameters())
    found = [name for layer in layers_of(network) for name in layer.of(params)]
    assert found == list(params)


def test_a_layer_is_not_taken_for_one_whose_name_begins_alike() -> None:
    values = {"blocks.conv1.weight": torch.ones(1), "blocks.conv10.weight": torch.ones(1)}
    assert list(Layer("conv1", "blocks.conv1").of(values)) == ["blocks.conv1.weight"]


def test_outputs_are_those_with_the_parameters_of_a_functional_call() -> None:
    network, x = Owned().eval(), torch.randn(4, 5, 2)
    other = {name: p.detach() + 1.0 for name, p in network.named_parameters()}
    with layer_outputs(network, layers_of(network)) as seen:
        scores = functional_call(network, other, (x,))
    assert seen["body"].shape == (4, 5, 3)
    assert torch.equal(seen["fc"], scores)
    assert not seen["fc"].requires_grad
    assert not any(module._forward_hooks for module in network.modules())


def test_hooks_go_where_the_block_raises() -> None:
    network = Owned()
    with pytest.raises(RuntimeError), layer_outputs(network, layers_of(network)):
        raise RuntimeError
    assert not any(module._forward_hooks for module in network.modules())


def test_change_is_relative_to_the_layer_before() -> None:
    before = {"fc.weight": torch.tensor([[3.0, 0.0]]), "fc.bias": torch.tensor([4.0])}
    after = {"fc.weight": torch.tensor([[3.0, 0.6]]), "fc.bias": torch.tensor([4.8])}
    assert relative_change(Layer("fc", "fc"), before, after) == pytest.approx(1.0 / 5.0)
    assert relative_change(Layer("fc", "fc"), before, before) == 0.0
    assert math.isnan(relative_change(Layer("body", "body"), before, after))
    zeros = {name: torch.zeros_like(value) for name, value in before.items()}
    assert math.isnan(relative_change(Layer("fc", "fc"), zeros, after))


def test_norms_are_of_all_tensors_together() -> None:
    assert norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]) == 5.0
    assert norm([]) == 0.0


def test_values_are_spread_over_all_entries_of_a_layer() -> None:
    values = {"fc.weight": torch.tensor([[1.0, 2.0]]), "fc.bias": torch.tensor(-3.0)}
    assert spread_of(Layer("fc", "fc"), values) == (0.0, -3.0, 2.0)
    assert all(math.isnan(value) for value in spread_of(Layer("body", "body"), values))

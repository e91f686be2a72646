"""Networks of sequences, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tlml.networks import (
    gru,
    transformer,
)
from tlml.networks.sequence import EncoderLayer, GRULayer


@pytest.mark.parametrize("layers", [1, 2])
def test_gru_equals_torch(layers):
    network, reference = gru((7, 3), 2, hidden=5, layers=layers), nn.GRU(3, 5, layers)
    reference.batch_first = True
    for i, block in enumerate(network.blocks.values()):
        assert isinstance(block, GRULayer)
        for name, parameter in block.named_parameters():
            getattr(reference, f"{name}_l{i}").data.copy_(parameter.data)
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    states, _ = reference.double()(x)
    assert torch.allclose(network.double().features(x), states[:, -1], atol=1e-14)


def test_encoder_layer_equals_torch():
    layer = EncoderLayer(8, 2, 0.0).double()
    reference = nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
    ).double()
    names = {
        "self_attn.in_proj_": "projection.",
        "self_attn.out_proj": "output",
        "linear": "feedforward.linear",
    }
    weights = {}
    for name in reference.state_dict():
        own = name
        for theirs, ours in names.items():
            own = own.replace(theirs, ours)
        weights[name] = layer.get_parameter(own)
    reference.load_state_dict(weights)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    assert torch.allclose(layer(x), reference(x), atol=1e-12)


def test_transformer_knows_the_order_of_time():
    network = transformer((6, 3), 2, width=8, heads=2).double()
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    assert (network(x) - network(x.flip(1))).abs().max() > 1e-3
    assert network(x[:, :4]).shape == (4, 2)


def test_transformer_drops_features_in_training_only():
    torch.manual_seed(0)
    network, x = transformer((6, 3), 2, width=8, heads=2, dropout=0.5), torch.randn(4, 6, 3)
    assert not torch.equal(network(x), network(x))
    assert torch.equal(network.eval()(x), network(x))

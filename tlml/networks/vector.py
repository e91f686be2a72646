"""Networks over vectors."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from tlml.errors import unknown
from tlml.networks.network import Flat, Network, sizes_option

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def mlp(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    hidden: Sequence[int] = (40, 40),
    activation: str = "relu",
) -> Network:
    """Build a multilayer perceptron over inputs of any shape, flattened.

    The default is the sinusoid network of Finn et al. 2017, 1-40-40-1.

    Args:
        hidden: Units of each hidden layer.
        activation: elu, gelu, leaky_relu, relu, sigmoid, silu or tanh.
    """
    if activation not in _ACTIVATIONS:
        raise unknown("activation", activation, _ACTIVATIONS)
    sizes = (math.prod(input_shape), *sizes_option("hidden", hidden))
    blocks: dict[str, nn.Module] = {}
    for depth, (before, after) in enumerate(pairwise(sizes), start=1):
        layer: OrderedDict[str, nn.Module] = OrderedDict()
        if depth == 1:
            layer["flat"] = Flat()
        layer["linear"] = nn.Linear(before, after)
        layer["activation"] = _ACTIVATIONS[activation]()
        blocks[f"hidden{depth}"] = nn.Sequential(layer)
    return Network(blocks, nn.Linear(sizes[-1], outputs))

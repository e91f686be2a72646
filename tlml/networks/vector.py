"""Networks over vectors."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
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


def he_normal(network: nn.Module) -> None:
    """Draw weights of variance 2 / inputs and set biases to 0 (He et al. 2015), in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)


_INITS: Mapping[str, Callable[[nn.Module], None] | None] = {"he": he_normal, "torch": None}


def mlp(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    hidden: Sequence[int] = (40, 40),
    activation: str = "relu",
    init: str = "torch",
) -> Network:
    """Build a multilayer perceptron over inputs of any shape, flattened.

    The default is the sinusoid network of Finn et al. 2017, 1-40-40-1.

    Args:
        hidden: Units of each hidden layer.
        activation: elu, gelu, leaky_relu, relu, sigmoid, silu or tanh.
        init: What weights and biases start at. ``torch``: as torch draws them for each layer,
            with weights of variance 1 / (3 inputs). ``he``: weights of variance 2 / inputs, biases
            of 0 (He et al. 2015).
    """
    if activation not in _ACTIVATIONS:
        raise unknown("activation", activation, _ACTIVATIONS)
    if init not in _INITS:
        raise unknown("init", init, _INITS)
    sizes = (math.prod(input_shape), *sizes_option("hidden", hidden))
    blocks: dict[str, nn.Module] = {}
    for depth, (before, after) in enumerate(pairwise(sizes), start=1):
        layer: OrderedDict[str, nn.Module] = OrderedDict()
        if depth == 1:
            layer["flat"] = Flat()
        layer["linear"] = nn.Linear(before, after)
        layer["activation"] = _ACTIVATIONS[activation]()
        blocks[f"hidden{depth}"] = nn.Sequential(layer)
    return Network(blocks, nn.Linear(sizes[-1], outputs), init=_INITS[init])

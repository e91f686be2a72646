"""Networks that are built by name for inputs and targets."""

from __future__ import annotations

import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn

from tlml.errors import TlmlError
from tlml.networks import (
    Network,
    build_network,
)

CASES = {
    "mlp": ((2, 3), {"hidden": (8, 8), "activation": "tanh"}),
    "conv4": ((2, 8, 9), {"channels": 4, "blocks": 2}),
    "nature_cnn": ((2, 36, 37), {"hidden": 6}),
    "resnet12": ((1, 8, 8), {"channels": (3, 4)}),
    "gru": ((4, 2), {"hidden": 6, "layers": 2}),
    "transformer": ((4, 3), {"width": 8, "depth": 1, "heads": 2}),
}


def box(*shape: int) -> Box:
    return Box(-1.0, 1.0, shape)


def build(name: str, outputs: int = 3, seed: int = 0) -> Network:
    shape, options = CASES[name]
    return build_network(name, box(*shape), Discrete(outputs), seed, options)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def message(call, *arguments, **options) -> str:
    with pytest.raises(TlmlError) as caught:
        call(*arguments, **options)
    return str(caught.value)


class Headed(nn.Module):
    """A network that keeps its head under a given name."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


LINEAR = nn.Linear(2, 3)


class TwoHeads(nn.Module):
    """Two heads; the one that is found by name is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(1, 8)
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 1), "b": nn.Linear(8, 5)})

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        scores: Tensor = self.heads["a"](self.body(x).relu())
        return scores

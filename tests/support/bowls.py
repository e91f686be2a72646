"""A loss like a bowl, where it starts, and the text of an error."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.data import Params

NAMES = ("blocks.one.weight", "blocks.one.bias", "blocks.two.weight", "head.weight", "head.bias")


def bowl(params: Params, batch: Tensor) -> Tensor:
    """Return a loss whose third derivative isn't zero, in all parameters."""
    return torch.stack(
        [((p - batch.mean()) ** 4).sum() + (p**2).sum() for p in params.values()]
    ).sum()


def start() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {name: torch.randn(3, generator=rng, dtype=torch.float64) for name in NAMES}

"""Optimisers by name, for strategies and learners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import torch

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class OptimizerOwner(Protocol):
    """What says how it is optimised: a strategy or a learner."""

    lr: float
    optimizer: Literal["adam", "adamw", "sgd"]
    weight_decay: float
    momentum: float

    @property
    def fused(self) -> bool | None:
        """Whether one operation steps all parameters; None: as torch does by itself."""


def make_optimizer(
    owner: OptimizerOwner, groups: Sequence[Mapping[str, Any]], *, fused: bool | None = None
) -> torch.optim.Optimizer:
    """Make the optimiser that a strategy or a learner names over parameter groups.

    Args:
        owner: Its `momentum` is that of ``sgd``.
        groups: Parameter groups.
        fused: Whether one operation steps all parameters; the owner's where None.
    """
    fused = owner.fused if fused is None else fused
    # None leaves the choice to torch, which False would not.
    options: dict[str, Any] = {
        "lr": owner.lr,
        "weight_decay": owner.weight_decay,
        "fused": fused or None,
    }
    if owner.optimizer == "sgd":
        options["momentum"] = owner.momentum
    return OPTIMIZERS[owner.optimizer]([dict(group) for group in groups], **options)

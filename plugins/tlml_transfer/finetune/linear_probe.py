"""Linear probe: generic layers are kept, only the head changes (Kumar et al. 2022, 2202.10054)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from tlml import Group, Phase, Strategy
from tlml.networks import head_name


class LinearProbe(Strategy):
    """Keep the features and train the head on the target's support.

    Args:
        lr: Learning rate of the adaptation.
        steps: Gradient steps on the support of a target task.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of the adaptation.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 50,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__(lr, steps, optimizer, weight_decay, batchnorm)
        self._head = Group()

    def attach(self, network: nn.Module) -> None:
        """Find out which parameters are the head's."""
        name = head_name(network)
        self._head = Group(f"{name}.*" if name else "*")

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which the head learns."""
        return (Phase(1.0, (self._head,)),)

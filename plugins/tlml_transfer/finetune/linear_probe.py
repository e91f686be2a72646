"""Linear probe: generic layers are kept, only the head changes (Kumar et al. 2022, 2202.10054)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import nn

from tlml import Group, Phase, Strategy
from tlml.networks import head_patterns


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

    needs_head: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 50,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__(lr, steps, optimizer, weight_decay, batchnorm)
        self._head: tuple[Group, ...] = (Group(),)

    def attach(self, network: nn.Module) -> None:
        """Find out which parameters are the head's."""
        self._head = tuple(Group(pattern) for pattern in head_patterns(network))

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which the head learns."""
        return (Phase(1.0, self._head),)

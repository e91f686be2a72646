"""Training from scratch: the baseline that any transfer has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from tlml import Strategy
from tlml.data import Params


class Scratch(Strategy):
    """Train a freshly initialised network on the target's support; the initialisation is keyed.

    Everything starts anew and learns, also parameters that are frozen (``requires_grad=False``):
    their values are knowledge of the source, and frozen at random they would only cripple the
    baseline. In all other strategies they stay as they are.

    Args:
        lr: Learning rate of the adaptation.
        steps: Gradient steps on the support of a target task.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of the adaptation.
        batchnorm: Statistics that BatchNorm uses on a target task. There are no stored ones of any
            use, so it is the ``batch``'s (transductive); None does as the learner does.

    Raises:
        TlmlError: An option is out of range.
    """

    thaws: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.003,
        steps: int = 50,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        batchnorm: Literal["batch", "stored"] | None = "batch",
    ) -> None:
        super().__init__(lr, steps, optimizer, weight_decay, batchnorm)

    def start(self, params: Params, fresh: Callable[[], Params]) -> Params:
        """Return fresh parameters."""
        return fresh()

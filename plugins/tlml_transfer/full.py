"""Full fine-tuning: every layer changes (Yosinski et al. 2014, arXiv 1411.1792)."""

from __future__ import annotations

from typing import Literal

from tlml import Strategy


class Full(Strategy):
    """Fine-tune every parameter on the target's support, from the source's parameters.

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
        lr: float = 0.003,
        steps: int = 50,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__(lr, steps, optimizer, weight_decay, batchnorm)

"""Nothing is adapted: what training found predicts as it is."""

from __future__ import annotations

from typing import Literal

from tlml import Strategy


class AsTrained(Strategy):
    """Predict with the parameters that training found: source only, where no target took part.

    The support is not used. It tells what transfer would be without any adaptation, and shows what
    a training that saw the target (aligned, weighted, or with its labels) has reached by itself.

    Args:
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(self, batchnorm: Literal["batch", "stored"] | None = None) -> None:
        super().__init__(steps=0, batchnorm=batchnorm)

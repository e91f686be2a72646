"""Minimum class confusion: target predictions that can be told apart (Jin et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from tlml import Context, Strategy, TlmlError
from tlml.errors import check_not_negative, check_positive
from tlml_transfer.align.aligning import certainty


class Mcc(Strategy):
    """Train on target inputs to be of one class or another, not of two at once.

    The confusion of classes j and k is how much probability the examples that look like j give to
    k (arXiv 1912.03699, section 3). Nothing is compared with the source. A class that a batch
    lacks counts as confused, so take batches of several examples of each class; on a batch of one
    example, or where all predictions are equal, there is nothing to go down.

    Args:
        temperature: T, what logits are divided by first, against overconfidence.
        weight: μ, what the confusion is multiplied by; 0 trains in the same loop without it, the
            control that tells what it does itself.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    same_labels = True
    sees = ("logits",)

    def __init__(self, temperature: float = 2.5, weight: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        check_positive(temperature=temperature)
        check_not_negative(weight=weight)
        self.temperature, self.weight = temperature, weight

    def penalty(self, logits: Tensor) -> Tensor:
        """Return the mean confusion of a class with others, of logits ``[n, classes]``, in [0, 1).

        Raises:
            TlmlError: There are no logits.
        """
        if logits.dim() != 2 or not len(logits):
            raise TlmlError(
                f"mcc: target logits must be [n, classes] with n of at least 1, are "
                f"{list(logits.shape)}"
            )
        logs = F.log_softmax(logits / self.temperature, 1)  # probability rescaling
        # Rows of Ŷ add up to 1, so that class correlation, uncertainty reweighting and category
        # normalisation together are a mean of Ŷ over the examples: weighted by W, whose scale
        # cancels, and by how much they look like j. In logarithms no class is lost to underflow.
        own = (certainty(logs).log()[:, None] + logs).softmax(0)
        confusion = own.T @ logs.exp()
        return 1 - confusion.diagonal().mean()

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the weighted confusion of the target's predictions."""
        return {"mcc": self.weight * self.penalty(context.logits_target)}

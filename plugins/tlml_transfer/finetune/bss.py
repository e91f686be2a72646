"""Batch spectral shrinkage (Chen, Wang, Fu, Long & Wang 2019, NeurIPS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from tlml import Context, Strategy, TlmlError
from tlml.errors import check_not_negative, check_positive


class Bss(Strategy):
    """Fine-tune every parameter, and shrink the least singular values of the batch's features.

    These are the directions that transfer least; suppressing them keeps fine-tuning on few examples
    from negative transfer ("Catastrophic forgetting meets negative transfer", section 4.2).

    Args:
        k: How many of the least singular values; all where a batch has fewer.
        weight: η, what the penalty is multiplied by.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range.
    """

    terms_in: ClassVar[Literal["fit", "adaptation"]] = "adaptation"

    def __init__(self, k: int = 1, weight: float = 0.001, **options: Any) -> None:
        super().__init__(**options)
        check_positive(k=k)
        check_not_negative(weight=weight)
        self.k, self.weight = k, weight

    def penalty(self, features: Tensor) -> Tensor:
        """Return the sum of the k least squared singular values of features ``[n, d]``.

        Raises:
            TlmlError: The features are not a matrix.
        """
        if features.dim() != 2:
            raise TlmlError(f"bss: features must be [n, d], are {list(features.shape)}")
        if not bool(torch.isfinite(features).all()):
            return features.sum()  # diverged, which is said elsewhere; a decomposition would raise
        exact = torch.promote_types(features.dtype, torch.float32)
        values: Tensor = torch.linalg.svdvals(features.to(exact))
        return values[-self.k :].square().sum()

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the weighted penalty of the target's features."""
        return {"bss": self.weight * self.penalty(context.features_target)}

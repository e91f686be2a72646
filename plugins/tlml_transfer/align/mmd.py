"""Maximum mean discrepancy with several Gaussian kernels (Long et al. 2015, arXiv 1502.02791)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from tlml import TlmlError
from tlml.errors import check_positive
from tlml_transfer.align.aligning import Aligning, check_features, squared_distances


class Mmd(Aligning):
    """Train on features whose distribution is that of the target's, as far as kernels can tell.

    The kernel is the mean of exp(−‖x − y‖² / (b γ)) over the bandwidths b, with γ the median of
    the squared distances between all examples of the two batches, which is taken as a constant.
    The discrepancy is that of Gretton et al. 2012 (JMLR 13:723–773).

    Args:
        bandwidths: Multiples b of the median.
        unbiased: Take the unbiased estimate, which leaves out each example's distance to itself
            and may be negative (equation 3 there), instead of the biased one (equation 5).
        weight: What the distance is multiplied by; 0 trains in the same loop without alignment.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    term: ClassVar[str] = "mmd"

    def __init__(
        self,
        bandwidths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        unbiased: bool = False,
        weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(weight, **options)
        if not bandwidths:
            raise TlmlError("bandwidths: must not be empty")
        for bandwidth in bandwidths:
            check_positive(bandwidths=bandwidth)
        self.bandwidths, self.unbiased = tuple(bandwidths), unbiased

    def penalty(self, source_features: Tensor, target_features: Tensor) -> Tensor:
        """Return the squared discrepancy of features ``[n, d]`` and ``[m, d]``.

        Raises:
            TlmlError: A side has less than two examples, they have different dimensions, or all
                features are equal.
        """
        check_features("mmd", source_features, target_features)
        both = torch.cat([source_features, target_features])
        kernels = self._kernels(squared_distances(both, both))
        n, m = len(source_features), len(target_features)
        across = kernels[:n, n:].mean()
        return self._within(kernels[:n, :n], n) + self._within(kernels[n:, n:], m) - 2 * across

    def _kernels(self, distances: Tensor) -> Tensor:
        pairs = torch.ones_like(distances, dtype=torch.bool).triu(1)
        median = distances.detach()[pairs].median()
        if not median > 0:
            raise TlmlError(
                "mmd: more than half of the features are equal, so that they have no scale; the "
                "network maps different examples to one point"
            )
        return torch.stack([(-distances / (b * median)).exp() for b in self.bandwidths]).mean(0)

    def _within(self, kernels: Tensor, n: int) -> Tensor:
        if not self.unbiased:
            return kernels.mean()
        return (kernels.sum() - kernels.diagonal().sum()) / (n * (n - 1))

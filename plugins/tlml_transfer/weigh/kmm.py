"""Kernel mean matching (Huang, Smola, Gretton, Borgwardt & Schölkopf 2006, NeurIPS 19)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tlml import TlmlError
from tlml.errors import check_not_negative, check_positive
from tlml_transfer.rows import Values
from tlml_transfer.weigh.active_set import few_free
from tlml_transfer.weigh.distances import squared_distances
from tlml_transfer.weigh.interior_point import minimum
from tlml_transfer.weigh.weighing import Weighing, median

_TOLERANCE = 1e-12  # of the minimum
_ROUNDING = 1e-12  # of distances, of their mean
_PIVOTS = 300  # after which more weights are free than an active set is quick for


class Kmm(Weighing):
    """Weigh the source so that its mean in the space of a kernel is the target's.

    The weights β minimise ½ βᵀKβ − κᵀβ under 0 ≤ β ≤ bound and |mean β − 1| ≤ eps, with K the
    kernel exp(−gamma ‖x − y‖²) between source examples and κ_i = n/m Σ_j k(x_i, x'_j). The memory
    grows with the square of the source examples, and so does the time, or with their third power
    where many weights lie between their bounds.

    Args:
        gamma: Of the kernel; None: 1 over the median of the squared distances between the sides.
        bound: B, the largest weight; the larger, the less biased, and the noisier.
        eps: ε, by how much the mean weight may differ from 1; (√n − 1)/√n, as in the paper, where
            None.
        ridge: Added to the diagonal of K.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "kmm"

    def __init__(
        self,
        gamma: float | None = None,
        bound: float = 10.0,
        eps: float | None = None,
        ridge: float = 1e-8,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_positive(gamma=gamma, eps=eps)
        check_not_negative(ridge=ridge)
        if not bound > 1:
            raise TlmlError(f"bound: must be greater than 1, the mean weight, is {bound}")
        self.gamma, self.bound, self.eps, self.ridge = gamma, bound, eps, ridge

    def ratios(self, source: Values, target: Values) -> Values:
        """Return β.

        Raises:
            TlmlError: No `gamma` is given, and more than half of the inputs are equal.
        """
        n = len(source)
        across = squared_distances(source, target, _ROUNDING)
        gamma = self.gamma or 1 / median(across, self.title, "gamma")
        kappa = n * np.exp(-gamma * across).mean(1)
        kernel = squared_distances(source, source, _ROUNDING)
        kernel *= -gamma
        np.exp(kernel, out=kernel)
        kernel[np.diag_indices(n)] += self.ridge
        eps = self.eps or (np.sqrt(n) - 1) / np.sqrt(n)
        least, most = n * max(1 - eps, 0.0), n * (1 + eps)
        # Mostly few weights are free and the sum is not bound; the interior is for the rest.
        found = few_free(kernel, kappa, self.bound, _TOLERANCE, _PIVOTS)
        if found is not None and least <= found.sum() <= most:
            return found
        return minimum(kernel, kappa, self.bound, (least, most), _TOLERANCE)

"""Balanced classes without throwing examples away (King & Zeng 2001).

doi 10.1093/oxfordjournals.pan.a004868, section 4.2: weighting.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tlml import Strategy, TlmlError
from tlml.errors import check_positive
from tlml.strategies import weights_of
from tlml_transfer.rows import as_array, check_rows


class Balanced(Strategy):
    """Weigh the source so that each of its classes counts as much as any other.

    Taking the same number of examples of each class balances them too, and leaves few where one
    class is rare. Here all stay: an example of class c weighs n / (classes · n_c), on average 1.
    What rare classes cost is in `effective_sample_size`, classes times the harmonic mean of sizes.

    Args:
        bins: Where targets are values: into how many intervals of equal width, from the least to
            the greatest, each of their dimensions is divided; an interval is a class.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    uses_target_x: ClassVar[bool] = False

    def __init__(self, bins: int = 10, **options: Any) -> None:
        super().__init__(**options)
        check_positive(bins=bins)
        self.bins = bins

    def weigh_samples(
        self, source_x: Tensor, target_x: Tensor, source_y: Tensor | None = None
    ) -> Tensor:
        """Return a weight for each label of `source_y`, classes ``[n]`` or values ``[n, ...]``.

        Raises:
            TlmlError: There are no labels, or one is NaN or infinite.
        """
        if source_y is None or not len(source_y):
            raise TlmlError("balanced: weighs by labels; pass source_y, one for each source input")
        if source_y.is_floating_point():
            check_rows(as_array(source_y), "balanced: source targets")
        labels = self._intervals(source_y) if source_y.is_floating_point() else source_y
        _, classes, sizes = torch.unique(labels, dim=0, return_inverse=True, return_counts=True)
        weights = len(labels) / (len(sizes) * sizes[classes].double())
        kind = source_x.dtype if source_x.is_floating_point() else torch.float32
        found: Tensor = weights.to(source_x.device, kind)
        weights_of(found, len(labels), self)
        return found

    def _intervals(self, values: Tensor) -> Tensor:
        """Return which interval each value is in, ``[n, d]``."""
        columns = values.detach().reshape(len(values), -1).double().cpu().numpy().T
        edges = [np.histogram_bin_edges(column, self.bins)[1:-1] for column in columns]
        found = [np.digitize(column, edge) for column, edge in zip(columns, edges, strict=True)]
        return torch.from_numpy(np.stack(found, 1))

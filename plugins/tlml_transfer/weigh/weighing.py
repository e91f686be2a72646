"""Strategies that weigh source examples by how likely their inputs are on the target."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tlml import Strategy, TlmlError
from tlml.strategies import weights_of
from tlml_transfer.rows import Values, as_array, check_rows


class Weighing(Strategy):
    """Estimates p_target(x) / p_source(x), by which a mean over the source is one over the target.

    Where the targets depend on the inputs in the same way on both sides, the weighted risk of the
    source is the target's (covariate shift: Shimodaira 2000, doi 10.1016/S0378-3758(00)00115-4).
    After weighing, `effective_sample_size` is (Σ w)² / Σ w² (Kish 1965).
    """

    title: ClassVar[str]  # what errors call it

    @abstractmethod
    def ratios(self, source: Values, target: Values) -> Values:
        """Return the estimates for ``source [n, d]``, given ``target [m, d]``."""

    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        """Return a weight for each source example ``[n]``; inputs ``[n, ...]`` are flattened.

        Raises:
            TlmlError: There are less than two examples on a side or one that is not finite, they
                have different dimensions, or nothing can be told from them.
        """
        source, target = as_array(source_x.flatten(1)), as_array(target_x.flatten(1))
        for side, rows in (("source", source), ("target", target)):
            if len(rows) < 2:
                raise TlmlError(
                    f"{self.title}: needs at least 2 {side} inputs, there are {len(rows)}; views "
                    "give those of the target with unlabelled=True"
                )
            check_rows(rows, f"{self.title}: {side} inputs")
        if source.shape[1] != target.shape[1]:
            raise TlmlError(
                f"{self.title}: source inputs have {source.shape[1]} dimensions, target inputs "
                f"{target.shape[1]}"
            )
        kind = source_x.dtype if source_x.is_floating_point() else torch.float32
        found = torch.from_numpy(self.ratios(source, target)).to(source_x.device, kind)
        weights_of(found, len(source), self)
        return found


def median(squared: Values, title: str, option: str) -> float:
    """Return the median of squared distances, the scale of kernels.

    Args:
        squared: The distances, of any shape.
        title: What errors call the strategy.
        option: What sets the scale instead.

    Raises:
        TlmlError: It is 0.
    """
    found = float(np.median(squared))
    if not found > 0:
        raise TlmlError(
            f"{title}: more than half of the inputs are equal, so that they have no scale; set "
            f"{option}, or leave out constant inputs"
        )
    return found

"""Deep CORAL: equal covariances of features (Sun & Saenko 2016, arXiv 1607.01719)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from tlml_transfer.align.aligning import Aligning, check_features


class Coral(Aligning):
    """Train on features whose covariance is that of the target's.

    Args:
        weight: λ, what the distance is multiplied by; 0 trains in the same loop without alignment.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    term: ClassVar[str] = "coral"

    def penalty(self, source_features: Tensor, target_features: Tensor) -> Tensor:
        """Return ‖C_S − C_T‖²_F / 4d² of features ``[n, d]`` and ``[m, d]`` (equation 1).

        Raises:
            TlmlError: A side has less than two examples, or they have different dimensions.
        """
        check_features("coral", source_features, target_features)
        difference = _covariance(source_features) - _covariance(target_features)
        return difference.square().sum() / (4 * source_features.shape[1] ** 2)


def _covariance(features: Tensor) -> Tensor:
    """Return the unbiased covariance ``[d, d]`` (equations 2 and 3)."""
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)

"""CORAL: whiten the source, recolour it (Sun, Feng & Saenko 2016, arXiv 1511.05547)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tlml import TlmlError
from tlml.errors import check_not_negative
from tlml_transfer.maps.input_map import InputMap
from tlml_transfer.rows import Values


class CoralMap(InputMap):
    """Map source inputs so that their covariance is that of the target's; centre both sides.

    z_S = (x − m_S) C_S^(−1/2) C_T^(1/2) and z_T = x − m_T (algorithm 1, which has features of mean
    zero).

    Args:
        reg: Ridge on each covariance, in units of the mean variance of its features; 1 is the
            paper's on standardised features, 0 makes the covariances equal exactly.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "coral_map"

    def __init__(self, reg: float = 1.0) -> None:
        super().__init__()
        check_not_negative(reg=reg)
        self.reg = reg

    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Return the source whitened and recoloured, and the target centred.

        Raises:
            TlmlError: The source's covariance is singular, and there is no ridge.
        """
        white = _power(_covariance(source, self.reg), -0.5)
        colour = _power(_covariance(target, self.reg), 0.5)
        self.keep(mean=target.mean(0))
        return (source - source.mean(0)) @ white @ colour, self.map_target(target)

    def map_target(self, target: Values) -> Values:
        """Return target inputs less their mean."""
        mean = self.recall("mean")
        self.check_dimensions(target, len(mean))
        return target - mean


def _covariance(x: Values, reg: float) -> Values:
    """Return the unbiased covariance ``[d, d]`` with its ridge."""
    covariance: Values = np.cov(x, rowvar=False).reshape(x.shape[1], -1)
    ridge: Values = reg * covariance.diagonal().mean() * np.eye(len(covariance))
    return covariance + ridge


def _power(covariance: Values, exponent: float) -> Values:
    values, vectors = np.linalg.eigh(covariance)
    there = values > len(values) * np.finfo(np.float64).eps * values[-1]
    if exponent < 0 and not there.all():
        raise TlmlError(
            f"coral_map: the source's covariance is singular (rank {there.sum()} of {len(values)}: "
            "features are constant or depend on each other, or examples are few); set reg above 0"
        )
    powers = np.where(there, values, 0.0) ** exponent
    found: Values = (vectors * powers) @ vectors.T
    return found

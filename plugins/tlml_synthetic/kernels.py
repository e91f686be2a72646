"""Stationary kernels of unit variance, and the frequencies that they are made of.

By Bochner's theorem such a kernel is the mean of cos(ω · (a − b)) over its spectral measure. The
functions here map independent uniform numbers to draws of that measure.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import gammaincinv, ive, ndtri

Array = NDArray[np.float64]

_NU = 2.5  # the order of Matérn-5/2


def rbf(a: Array, b: Array, length: float) -> Array:
    """Return exp(−r² / 2ℓ²) ``[n, m]`` of points ``[n, d]`` and ``[m, d]``."""
    squares: Array = cdist(a / length, b / length, "sqeuclidean")
    return np.exp(-0.5 * squares)


def matern(a: Array, b: Array, length: float) -> Array:
    """Return (1 + s + s²/3) exp(−s) with s = √5 r / ℓ: Matérn of order 5/2."""
    s: Array = math.sqrt(2 * _NU) * cdist(a / length, b / length)
    return (1 + s + s**2 / 3) * np.exp(-s)


def periodic(a: Array, b: Array, length: float, period: float) -> Array:
    """Return exp(−2 Σ sin²(π (aᵢ − bᵢ) / p) / ℓ²), periodic in each input."""
    sines = np.sin(math.pi * (a[:, None] - b) / period)
    squares: Array = (sines**2).sum(-1)
    return np.exp(-2 / length**2 * squares)


def rbf_frequencies(uniform: Array, length: float) -> Array:
    """Map ``uniform [m, d]`` to frequencies ``[m, d]`` of the RBF kernel: normal of scale 1/ℓ."""
    normal: Array = ndtri(uniform)
    return normal / length


def matern_frequencies(uniform: Array, length: float) -> Array:
    """Map ``uniform [m, d + 1]`` to frequencies ``[m, d]``: Student's t with 2ν = 5 degrees."""
    chi_squared: Array = 2 * gammaincinv(_NU, uniform[:, -1:])
    normal: Array = ndtri(uniform[:, :-1])
    return normal * np.sqrt(2 * _NU / chi_squared) / length


def periodic_frequencies(uniform: Array, length: float, period: float) -> Array:
    """Map ``uniform [m, d]`` to frequencies ``[m, d]``, multiples of 2π/p in each input.

    With z = 1/ℓ² the kernel in one input is e⁻ᶻ Σⱼ I_|j|(z) cos(2πj r / p) over all integers j:
    each has the weight of its modified Bessel function (Abramowitz & Stegun, 9.6.34).
    """
    z = length**-2
    orders = np.arange(-_highest(z), _highest(z) + 1)
    chances = np.cumsum(ive(np.abs(orders), z))
    drawn: Array = orders[np.searchsorted(chances, uniform * chances[-1])].astype(float)
    return drawn * (2 * math.pi / period)


def _highest(z: float) -> int:
    # Iⱼ(z) e⁻ᶻ falls as exp(−j² / 2z): what is left out is below rounding.
    return math.ceil(10 * math.sqrt(z)) + 20

"""Functions drawn from Gaussian processes, the tasks of the neural-process literature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from scipy.stats import qmc

from tlml import Batch, Domain
from tlml.data import Split
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml_synthetic import kernels
from tlml_synthetic.draws import Range, checked_range, positive_range, split_rng
from tlml_synthetic.kernels import Array

Kernel = Literal["rbf", "matern", "periodic"]
KERNELS: tuple[Kernel, ...] = ("rbf", "matern", "periodic")
_BITS = 30  # of scipy's Sobol points


@dataclass(frozen=True, slots=True)
class ProcessDraw:
    """One function f drawn from a Gaussian process; y = f(x) + noise · N(0, 1), x uniform in a box.

    f(x) = scale · Σₖ (uₖ cos ωₖ·x + vₖ sin ωₖ·x) / √m with u, v ~ N(0, 1) and m frequencies of the
    kernel's spectral measure, all of them functions of `key`: points of two samples lie on one
    function. Given its frequencies f is exactly Gaussian; over draws of them its covariance is
    exactly `covariance`. They are scrambled Sobol points, so that each draw alone comes near it.

    Args:
        kernel: ``rbf``, ``matern`` (of order 5/2) or ``periodic``.
        length: Length scale ℓ of the kernel.
        scale: Standard deviation of f.
        key: What u, v and ω are drawn from.
        dimension: Inputs.
        interval: The range of each input.
        noise: Standard deviation of normal noise on y.
        period: Period, of the periodic kernel.
        features: m, a power of two.
    """

    kernel: Kernel
    length: float
    scale: float
    key: int
    dimension: int = 1
    interval: Range = (-2.0, 2.0)
    noise: float = 0.0
    period: float = 1.0
    features: int = 1024

    @property
    def name(self) -> str:
        """The kernel, its length and scale, and the key."""
        period = f" period {self.period:.3f}" if self.kernel == "periodic" else ""
        return f"{self.kernel}{period} length {self.length:.3f} scale {self.scale:.3f} #{self.key}"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw `n` points, ``x [n, dimension]`` and ``y [n, 1]``, float32."""
        x = rng.uniform(*self.interval, (n, self.dimension)).astype(np.float32)
        y = self.value(x)
        if self.noise:
            y = y + self.noise * rng.standard_normal((n, 1))
        return Batch(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))

    def value(self, x: NDArray[Any]) -> Array:
        """Return f without noise at ``x [n, dimension]``, float64 ``[n, 1]``."""
        angles = np.asarray(x, float) @ self.frequencies().T
        u, v = np.random.default_rng((self.key, 1)).standard_normal((2, self.features, 1))
        value: Array = np.cos(angles) @ u + np.sin(angles) @ v
        return self.scale / math.sqrt(self.features) * value

    def covariance(self, a: Array, b: Array) -> Array:
        """Return the process's covariance ``[n, m]`` of f at ``[n, dimension]`` and ``[m, …]``."""
        if self.kernel == "periodic":
            unit = kernels.periodic(a, b, self.length, self.period)
        else:
            unit = getattr(kernels, self.kernel)(a, b, self.length)
        return self.scale**2 * unit

    def frequencies(self) -> Array:
        """Return ω ``[features, dimension]``, in radians for one unit of x."""
        width = self.dimension + (self.kernel == "matern")
        sobol = qmc.Sobol(width, bits=_BITS, rng=np.random.default_rng((self.key, 0)))
        # In the middle of their cells: none is at 0, where the normal quantile is infinite.
        points = sobol.random(self.features) + 0.5 ** (_BITS + 1)
        if self.kernel == "periodic":
            return kernels.periodic_frequencies(points, self.length, self.period)
        if self.kernel == "matern":
            return kernels.matern_frequencies(points, self.length)
        return kernels.rbf_frequencies(points, self.length)


class GaussianProcesses(Domain[ProcessDraw]):
    """An endless family of functions drawn from Gaussian processes of random length and scale.

    Args:
        kernel: ``rbf``, ``matern`` (of order 5/2) or ``periodic``.
        length: The range of the kernel's length scale.
        scale: The range of the functions' standard deviation.
        period: The range of the period, of the periodic kernel.
        dimension: Inputs.
        interval: The range of each input.
        noise: Standard deviation of normal noise on y.
        features: Frequencies that a function is made of, a power of two.

    Raises:
        TlmlError: The kernel is unknown, a range is not two finite numbers in order, or a number
            is out of range.
    """

    def __init__(
        self,
        kernel: Kernel = "rbf",
        length: Sequence[float] = (0.1, 0.6),
        scale: Sequence[float] = (0.1, 1.0),
        period: Sequence[float] = (0.1, 0.5),
        dimension: int = 1,
        interval: Sequence[float] = (-2.0, 2.0),
        noise: float = 0.02,
        features: int = 1024,
    ) -> None:
        check_choice("kernel", kernel, KERNELS)
        check_positive(dimension=dimension, features=features)
        check_not_negative(noise=noise)
        if features & (features - 1):
            raise TlmlError(f"features: must be a power of two, is {features}")
        self.kernel: Kernel = kernel
        self.length = positive_range("length", length)
        self.scale = positive_range("scale", scale)
        self.period = positive_range("period", period)
        self.interval = checked_range("interval", interval)
        self.dimension, self.noise, self.features = dimension, noise, features
        self.x = Box(*self.interval, (dimension,), np.float32)
        self.y = Box(-np.inf, np.inf, (1,), np.float32)

    def draw(self, split: Split, rng: np.random.Generator) -> ProcessDraw:
        """Draw a function."""
        own = split_rng(split, rng)
        return ProcessDraw(
            self.kernel,
            own.uniform(*self.length),
            own.uniform(*self.scale),
            int(own.integers(2**63)),
            self.dimension,
            self.interval,
            self.noise,
            own.uniform(*self.period),
            self.features,
        )

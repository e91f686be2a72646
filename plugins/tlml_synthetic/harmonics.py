"""Sums of sines with a common base frequency (Lacoste et al. 2018, arXiv 1806.07528)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tlml import Batch, Domain
from tlml.data import Split
from tlml.errors import check_not_negative, check_positive
from tlml_synthetic.draws import checked_range, positive_range, split_rng


@dataclass(frozen=True, slots=True)
class Harmonic:
    """One function, y = Σᵢ aᵢ sin(i ω x + bᵢ) + noise · N(0, 1), with x ~ N(centre, spread²).

    Args:
        amplitudes: aᵢ, one for each component i = 1, 2, …
        phases: bᵢ, in radians.
        frequency: ω, in radians for one unit of x.
        centre: Mean of the task's inputs.
        spread: Their standard deviation.
        noise: Standard deviation of normal noise on y.
    """

    amplitudes: tuple[float, ...]
    phases: tuple[float, ...]
    frequency: float
    centre: float = 0.0
    spread: float = 1.0
    noise: float = 0.0

    @property
    def name(self) -> str:
        """The function's formula, and where its inputs lie."""
        terms = [
            f"{a:.3f} sin({i * self.frequency:.3f} x + {b:.3f})"
            for i, (a, b) in enumerate(zip(self.amplitudes, self.phases, strict=True), 1)
        ]
        return f"{' + '.join(terms)} at {self.centre:.3f}"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw `n` points, ``x [n, 1]`` and ``y [n, 1]``, float32."""
        x = (self.centre + self.spread * rng.standard_normal((n, 1))).astype(np.float32)
        y = self.value(x)
        if self.noise:
            y = y + self.noise * rng.standard_normal((n, 1))
        return Batch(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))

    def value(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return the function without noise at ``x [n, 1]``, float64 ``[n, 1]``."""
        order = np.arange(1, len(self.amplitudes) + 1)
        waves = np.sin(self.frequency * order * np.asarray(x, float) + np.array(self.phases))
        value: NDArray[np.float64] = waves @ np.array(self.amplitudes)[:, None]
        return value


class Harmonics(Domain[Harmonic]):
    """An endless family of sums of sines, with inputs that differ from task to task.

    Args:
        components: Sines in a sum; the i-th has i times the base frequency.
        amplitude: Standard deviation of the amplitudes, which are normal around 0.
        frequency: The range of the base frequency, in radians for one unit of x.
        phase: The range of the phases, in radians.
        centre: The range of the centres of the tasks' inputs.
        spread: Standard deviation of a task's inputs around its centre.
        noise: Standard deviation of normal noise on y.

    Raises:
        TlmlError: A range is not two finite numbers in order, or a number is out of range.
    """

    def __init__(
        self,
        components: int = 2,
        amplitude: float = 1.0,
        frequency: Sequence[float] = (5.0, 7.0),
        phase: Sequence[float] = (0.0, 2 * math.pi),
        centre: Sequence[float] = (-4.0, 4.0),
        spread: float = 1.0,
        noise: float = 0.1,
    ) -> None:
        check_positive(components=components, amplitude=amplitude, spread=spread)
        check_not_negative(noise=noise)
        self.components, self.amplitude = components, amplitude
        self.frequency = positive_range("frequency", frequency)
        self.phase = checked_range("phase", phase)
        self.centre = checked_range("centre", centre)
        self.spread, self.noise = spread, noise
        self.x = Box(-np.inf, np.inf, (1,), np.float32)
        self.y = Box(-np.inf, np.inf, (1,), np.float32)

    def draw(self, split: Split, rng: np.random.Generator) -> Harmonic:
        """Draw a function."""
        own = split_rng(split, rng)
        amplitudes = self.amplitude * own.standard_normal(self.components)
        phases = own.uniform(*self.phase, self.components)
        return Harmonic(
            tuple(amplitudes.tolist()),
            tuple(phases.tolist()),
            own.uniform(*self.frequency),
            own.uniform(*self.centre),
            self.spread,
            self.noise,
        )

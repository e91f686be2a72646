"""Sine waves of random amplitude and phase (Finn, Abbeel & Levine 2017, section 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box

from tlml import Batch, Domain
from tlml.data import SPLITS, Split
from tlml.errors import check_choice, check_not_negative
from tlml_synthetic.draws import checked_range, within

LOW, HIGH = -5.0, 5.0


@dataclass(frozen=True, slots=True)
class SineWave:
    """One wave, y = amplitude · sin(x − phase) + noise · N(0, 1), with x uniform in [−5, 5]."""

    amplitude: float
    phase: float
    noise: float = 0.0

    @property
    def name(self) -> str:
        """The wave's formula."""
        return f"{self.amplitude:.3f} sin(x - {self.phase:.3f})"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw `n` points, ``x [n, 1]`` and ``y [n, 1]``, float32."""
        x = rng.uniform(LOW, HIGH, (n, 1)).astype(np.float32)
        y = self.amplitude * np.sin(x - self.phase)
        if self.noise:
            y = y + self.noise * rng.standard_normal((n, 1))
        return Batch(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))


class Sinusoid(Domain[SineWave]):
    """An endless family of sine waves; x and y are single numbers.

    Args:
        amplitude: The range that amplitudes are drawn from uniformly.
        phase: The range of the phases, in radians.
        noise: Standard deviation of normal noise on y.

    Raises:
        TlmlError: A range is not two finite numbers in order, or the noise is negative.
    """

    def __init__(
        self,
        amplitude: Sequence[float] = (0.1, 5.0),
        phase: Sequence[float] = (0.0, math.pi),
        noise: float = 0.0,
    ) -> None:
        check_not_negative(noise=noise)
        self.amplitude = checked_range("amplitude", amplitude)
        self.phase = checked_range("phase", phase)
        self.noise = noise
        self.x = Box(LOW, HIGH, (1,), np.float32)
        self.y = Box(-np.inf, np.inf, (1,), np.float32)

    def draw(self, split: Split, rng: np.random.Generator) -> SineWave:
        """Draw a wave."""
        check_choice("split", split, SPLITS)
        # Equally seeded generators must not give the same wave to two splits.
        amplitude, phase = rng.uniform(size=(len(SPLITS), 2))[SPLITS.index(split)]
        return SineWave(within(self.amplitude, amplitude), within(self.phase, phase), self.noise)

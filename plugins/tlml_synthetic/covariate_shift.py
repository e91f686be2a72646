"""Covariate shift with a known density ratio: one P(Y|X), two P(X) (Shimodaira 2000).

With its defaults the regression is the toy example of Sugiyama, Krauledat & Müller (2007, JMLR
8:985-1005) with standardised inputs, t = (z − 1) / 0.5: a line has to follow sinc(z). The best line
for the source falls, and that for the target rises.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from tlml import Domain, Examples
from tlml.data import SPLITS, Part, Split
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive

_PARTS: tuple[Part, ...] = ("train", "val", "test")
_HEIGHT = 2.0  # of the curve between the classes, in standard deviations of the second input


def curve(first: NDArray[Any]) -> NDArray[np.float64]:
    """Return sinc(1 + t / 2), where sinc(z) = sin(πz) / πz: it is 0 at t = 0 and at t = 2."""
    value: NDArray[np.float64] = np.sinc(1 + np.asarray(first, float) / 2)
    return value


@dataclass(frozen=True, slots=True)
class Region:
    """Where one task's inputs lie: x₁ ~ N(centre, width²), all other inputs ~ N(0, 1).

    Args:
        name: Name of the task.
        centre: Mean of the first input.
        width: Its standard deviation.
        dimension: Inputs.
        size: Examples of ``train`` and of ``test``; ``val`` has a quarter as many.
        noise: Standard deviation of normal noise on y, or the share of classes that are flipped.
        classes: Whether y is a class, else a value.
        key: What the examples are drawn from.
    """

    name: str
    centre: float
    width: float
    dimension: int
    size: int
    noise: float
    classes: bool
    key: tuple[int, int]

    def split(self, part: Part) -> Examples:
        """Return the examples of one part, ``x [n, dimension]`` with ``y [n]`` or ``y [n, 1]``."""
        check_choice("part", part, _PARTS)
        rng = np.random.default_rng([*self.key, _PARTS.index(part)])
        x = rng.standard_normal((self.size // 4 if part == "val" else self.size, self.dimension))
        x[:, 0] = self.centre + self.width * x[:, 0]
        inputs = torch.from_numpy(x).float()
        return Examples(inputs, (self._labels if self.classes else self._values)(inputs, rng))

    def _values(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        y = curve(x[:, :1].numpy()) + self.noise * rng.standard_normal((len(x), 1))
        return torch.from_numpy(y).float()

    def _labels(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        above = x[:, 1].numpy() > _HEIGHT * curve(x[:, 0].numpy())
        return torch.from_numpy(above ^ (rng.random(len(x)) < self.noise)).long()


class ShiftedInputs(Domain[Region]):
    """Three tasks with one P(Y|X) whose P(X) differ in the first input.

    It is N(0, 1) in the source, N(shift / 2, width²) in the validation task, and N(shift, width²)
    in the target.
    """

    classes: ClassVar[bool]

    def __init__(
        self, dimension: int, shift: float, width: float, noise: float, size: int, seed: int
    ) -> None:
        check_positive(dimension=dimension, width=width, size=size)
        check_not_negative(noise=noise, seed=seed)
        if not math.isfinite(shift):
            raise TlmlError(f"shift: must be a finite number, is {shift}")
        if width > 1:
            raise TlmlError(f"width: must be at most 1, is {width}; the ratio would have no bound")
        self.dimension, self.shift, self.width = dimension, shift, width
        self.noise, self.size, self.seed = noise, size, seed
        self.x = Box(-np.inf, np.inf, (dimension,), np.float32)

    def tasks(self, split: Split) -> Sequence[Region]:
        """Return the one task of a split."""
        check_choice("split", split, SPLITS)
        number = SPLITS.index(split)
        centre = self.shift * number / (len(SPLITS) - 1)
        width = 1.0 if split == "source" else self.width
        return [
            Region(
                f"{split} N({centre:g}, {width:g}²)", centre, width, self.dimension,
                self.size, self.noise, self.classes, (self.seed, number),
            )
        ]  # fmt: skip

    def ratio(self, x: Tensor) -> Tensor:
        """Return p_target(x) / p_source(x) ``[n]`` of inputs ``[n, dimension]``: true weights."""
        first = x[:, 0].double()
        log = (first**2 - ((first - self.shift) / self.width) ** 2) / 2 - math.log(self.width)
        return log.exp().to(x.dtype)


class CovariateShift(ShiftedInputs):
    """Two classes on the two sides of a curve, of which the target sees another part.

    y = 1 where x₂ > 2 sinc(1 + x₁ / 2), flipped by chance. x₁ is N(0, 1) in the source,
    N(shift / 2, width²) in the validation task and N(shift, width²) in the target; all other
    inputs are N(0, 1). `ratio` gives the true weights of source examples.

    Args:
        dimension: Inputs; those after the second say nothing about y.
        shift: Mean of the target's first input, in standard deviations of the source's.
        width: Standard deviation of the target's first input, at most 1.
        noise: Share of labels that are flipped, below 0.5.
        size: Examples to train on and to test on in each task; ``val`` has a quarter as many.
        seed: The key of all examples.

    Raises:
        TlmlError: An option is out of range.
    """

    classes = True

    def __init__(
        self,
        dimension: int = 2,
        shift: float = 2.0,
        width: float = 0.5,
        noise: float = 0.05,
        size: int = 500,
        seed: int = 0,
    ) -> None:
        super().__init__(dimension, shift, width, noise, size, seed)
        if dimension < 2:
            raise TlmlError(
                f"dimension: must be at least 2, is {dimension}; the classes lie on two sides of a "
                "curve in the plane"
            )
        if noise >= 0.5:
            raise TlmlError(f"noise: must be below 0.5, is {noise}; labels would say nothing")
        self.y = Discrete(2)


class CovariateShiftRegression(ShiftedInputs):
    """Values along a curve, of which the target sees another part: y = sinc(1 + x₁ / 2) + noise.

    x₁ is N(0, 1) in the source, N(shift / 2, width²) in the validation task and N(shift, width²)
    in the target; all other inputs are N(0, 1). `ratio` gives the true weights of source examples.

    Args:
        dimension: Inputs; those after the first say nothing about y.
        shift: Mean of the target's first input, in standard deviations of the source's.
        width: Standard deviation of the target's first input, at most 1.
        noise: Standard deviation of normal noise on y.
        size: Examples to train on and to test on in each task; ``val`` has a quarter as many.
        seed: The key of all examples.

    Raises:
        TlmlError: An option is out of range.
    """

    classes = False

    def __init__(
        self,
        dimension: int = 1,
        shift: float = 2.0,
        width: float = 0.5,
        noise: float = 0.25,
        size: int = 500,
        seed: int = 0,
    ) -> None:
        super().__init__(dimension, shift, width, noise, size, seed)
        self.y = Box(-np.inf, np.inf, (1,), np.float32)

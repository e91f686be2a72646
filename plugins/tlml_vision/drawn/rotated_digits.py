"""Handwritten digits, turned by an angle that differs from task to task."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor
from torch.nn import functional as F

from tlml import Domain, Examples
from tlml.data import SPLITS, Part, Split
from tlml.errors import TlmlError, check_choice
from tlml_vision.drawn.digits import DigitTask, handwriting
from tlml_vision.drawn.rendering import check_size

# Rows of scikit-learn's digits. No image is in two splits or parts, whatever the angle.
ROWS: dict[Split, dict[Part, slice]] = {
    "source": {"train": slice(0, 450), "val": slice(450, 500), "test": slice(500, 700)},
    "validation": {"train": slice(700, 800), "val": slice(800, 800), "test": slice(800, 1000)},
    "target": {"train": slice(1000, 1300), "val": slice(1300, 1300), "test": slice(1300, 1797)},
}


class RotatedDigits(Domain[DigitTask]):
    """Scikit-learn's handwritten digits in [0, 1]; a task is an angle, counter-clockwise.

    Each split has images of its own, which all its tasks show. At 0 degrees they are those of
    `digits`. Target and validation tasks have no part ``val``.

    Args:
        source: Angles of the source tasks in degrees.
        validation: Angles of the validation tasks.
        target: Angles of the target tasks.
        size: Side of the images in pixels, 8 to 56; what they show has a resolution of 8 x 8.

    Raises:
        TlmlError: An angle is in two splits or given twice, or an option is out of range.
    """

    def __init__(
        self,
        source: Sequence[float] = (0.0, 15.0, 30.0),
        validation: Sequence[float] = (45.0,),
        target: Sequence[float] = (60.0,),
        size: int = 28,
    ) -> None:
        check_size(size)
        self.size = size
        self.angles: dict[Split, tuple[float, ...]] = {
            split: _angles(split, given)
            for split, given in zip(SPLITS, (source, validation, target), strict=True)
        }
        _check_apart(self.angles)
        self.x = Box(0.0, 1.0, (1, size, size), np.float32)
        self.y = Discrete(10)
        self._tasks: dict[Split, list[DigitTask]] = {}

    def tasks(self, split: Split) -> Sequence[DigitTask]:
        """Return a task for each angle of the split."""
        check_choice("split", split, SPLITS)
        if split not in self._tasks:
            x, y = handwriting(self.size)
            self._tasks[split] = [
                _turned_task(angle, x, y, ROWS[split]) for angle in self.angles[split]
            ]
        return self._tasks[split]

    def __getstate__(self) -> dict[str, object]:
        # The images are turned again: copies for workers stay small.
        return {**self.__dict__, "_tasks": {}}


def turn_images(x: Tensor, angle: float) -> Tensor:
    """Turn images ``[n, C, H, W]`` counter-clockwise by an angle in degrees; corners become 0."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # Rows run downwards. The matrix says where each place of the result comes from.
    back = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]])
    # As channels of one image they share the places and weights, which are most of the work.
    channels = x.reshape(1, -1, *x.shape[2:])
    grid = F.affine_grid(back, list(channels.shape), align_corners=False)
    return F.grid_sample(channels, grid, align_corners=False).clamp(0, 1).reshape(x.shape)


def _turned_task(angle: float, x: Tensor, y: Tensor, rows: dict[Part, slice]) -> DigitTask:
    shown = turn_images(x, angle)
    parts = {part: Examples(shown[own].clone(), y[own].clone()) for part, own in rows.items()}
    return DigitTask(f"{angle:g} degrees", parts)


def _angles(split: Split, given: Sequence[float]) -> tuple[float, ...]:
    try:
        angles = tuple(float(angle) for angle in given)
    except (TypeError, ValueError):
        angles = ()
    if not angles or not all(map(math.isfinite, angles)):
        raise TlmlError(f"{split}: must be a list of angles in degrees, is {given}")
    return angles


def _check_apart(angles: dict[Split, tuple[float, ...]]) -> None:
    homes: dict[float, Split] = {}
    for split, own in angles.items():
        for angle in own:
            turn = angle % 360
            if turn in homes:
                raise TlmlError(
                    f"{split}: {angle:g} degrees are in {homes[turn]} already; give each angle once"
                )
            homes[turn] = split

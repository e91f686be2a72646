"""Streams of scikit-learn's handwritten digits, which need no files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.data import SPLITS, Part, Split
from tlml.errors import check_choice
from tlml_vision.drawn.digits import handwriting
from tlml_vision.drawn.rendering import check_size
from tlml_vision.drawn.rotated_digits import ROWS
from tlml_vision.streams.changed import ChangedImagesDomain, Source, reorder

_ALL = "all"  # they lie in no files


class _Handwriting:
    """Scikit-learn's digits, drawn once in a size; it pickles without them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._drawn: tuple[Tensor, Tensor] | None = None

    def images(self, file: str) -> Tensor:
        """Return all images ``[1797, 1, size, size]`` in [0, 1]."""
        return self._all()[0]

    def labels(self, file: str) -> Tensor:
        """Return all digits ``[1797]``."""
        return self._all()[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_drawn": None}

    def _all(self) -> tuple[Tensor, Tensor]:
        if self._drawn is None:
            self._drawn = handwriting(self.size)
        return self._drawn


class PermutedDigits(ChangedImagesDomain):
    """Scikit-learn's handwritten digits; a task is an order of their pixels.

    Each split has images of its own, as those of `rotated_digits`.

    Args:
        tasks: How many source tasks there are: the stream.
        validation: How many validation tasks.
        target: How many target tasks.
        size: Side of the images in pixels, 8 to 56; what they show has a resolution of 8 x 8.
        seed: The key of the orders.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self, tasks: int = 5, validation: int = 5, target: int = 5, size: int = 8, seed: int = 0
    ) -> None:
        check_size(size)
        super().__init__(tasks, validation, target, seed, size)
        self.size = size
        self._shown = _Handwriting(size)

    def source(self) -> Source:
        """Return what draws the digits."""
        return self._shown

    def rows(self, split: Split) -> dict[Part, tuple[str, range]]:
        """Return the images of a split."""
        return {part: (_ALL, range(own.start, own.stop)) for part, own in ROWS[split].items()}

    def change(self, split: Split, number: int) -> tuple[str, Callable[[Tensor], Tensor]]:
        """Return a task's number, and what orders by its key."""
        return reorder(self.seed, split, number)


class SplitDigits(ClassPool):
    """Scikit-learn's handwritten digits as a pool of ten classes, two of which make a task.

    All splits have the ten digits, and images of their own, as those of `rotated_digits`. So target
    tasks are new images of known digits, and no new classes.

    Args:
        size: Side of the images in pixels, 8 to 56; what they show has a resolution of 8 x 8.

    Raises:
        TlmlError: The size is out of range.
    """

    def __init__(self, size: int = 8) -> None:
        check_size(size)
        self.size = size
        self.x = Box(0.0, 1.0, (1, size, size), np.float32)
        self._classes: dict[Split, dict[str, Tensor]] = {}

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each digit to its images ``[n, 1, size, size]`` in a split."""
        check_choice("split", split, SPLITS)
        if split not in self._classes:
            x, y = handwriting(self.size)
            own = ROWS[split]
            rows = slice(own["train"].start, own["test"].stop)
            x, y = x[rows], y[rows]
            self._classes[split] = {f"{split} {digit}": x[y == digit] for digit in range(10)}
        return self._classes[split]

    def __getstate__(self) -> dict[str, Any]:
        # The images are drawn again: copies for workers stay small.
        return {**self.__dict__, "_classes": {}}

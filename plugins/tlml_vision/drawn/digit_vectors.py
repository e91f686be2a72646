"""Digits as vectors without labels, for what is learned from inputs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from gymnasium.spaces import Box
from torch import Tensor

from tlml import Batch, Domain, Examples, Metric
from tlml.data import Part, Split
from tlml_vision.drawn.digits import Digits, DigitTask

_PARTS: tuple[Part, ...] = ("train", "val", "test")


class DigitVectors(Domain[DigitTask]):
    """The printed and handwritten images of `digits` as vectors; the target is the input itself.

    What is asked for is a reconstruction. It is measured by the variance of the handwriting that it
    explains: 1 less the mean squared error over the variance of a pixel in the 1,000 images of the
    pool, each about its mean. So 1 is perfect, the mean image about 0, and below 0 worse than that.

    Args:
        size: Side of the images in pixels, 8 to 56; a vector has size² entries.
        jitter: As of `digits`.
        variants: Images of each digit in each font; without jitter there is one.
        fonts: A folder with more fonts (.otf, .ttf).

    Raises:
        TlmlError: An option is out of range or the folder isn't there.
    """

    metric = Metric("explained_variance", higher_is_better=True)

    def __init__(
        self, size: int = 8, jitter: bool = True, variants: int = 40, fonts: str | None = None
    ) -> None:
        self.digits = Digits(size, jitter, variants, fonts)
        self.x = self.y = Box(0.0, 1.0, (size * size,), np.float32)

    def fingerprint(self) -> str | None:
        """Return the state of the folder of fonts, where one is named."""
        return self.digits.fingerprint()

    def tasks(self, split: Split) -> Sequence[DigitTask]:
        """Return a task for each font of the split, or the handwriting."""
        return [_without_labels(task) for task in self.digits.tasks(split)]

    def measure(self, batch: Batch, scores: Tensor) -> Mapping[str, Tensor]:
        """Return the explained variance and the mean squared error of reconstructions."""
        error = (scores - batch.y).square().mean()
        return {"explained_variance": 1 - error / self._variance, "mse": error}

    @cached_property
    def _variance(self) -> float:
        (handwriting,) = self.digits.tasks("target")
        return float(handwriting.split("train").x.var(0, correction=0).mean())


def _without_labels(task: DigitTask) -> DigitTask:
    vectors = {part: task.split(part).x.flatten(1) for part in _PARTS}
    return DigitTask(task.name, {part: Examples(x, x) for part, x in vectors.items()})

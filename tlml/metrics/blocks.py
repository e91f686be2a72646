"""Blocks of consecutive examples, drawn with replacement: how a series is resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def drawn_blocks(
    number: int, length: int, draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the places ``[draws, number]`` of a series that moving blocks draw.

    Neighbours of a series are alike, so that single draws would take them for more than they say.
    Blocks keep what is alike together (Künsch 1989, doi:10.1214/aos/1176347265).

    Args:
        number: Examples of the series, in their order.
        length: Of a block; a longer one than the series is the series.
        draws: How many resamples.
        rng: The generator that they are a function of.
    """
    length = min(length, number)
    starts = rng.integers(number - length + 1, size=(draws, -(-number // length)))
    places = starts[:, :, None] + np.arange(length)
    return places.reshape(draws, -1)[:, :number]

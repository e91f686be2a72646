"""Observations as a network takes them: rows of floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from numpy.typing import NDArray
from torch import Tensor

from tlml import TlmlError

_BYTE = 255.0


class Inputs(NamedTuple):
    """How a network takes observations.

    Args:
        space: What it is given.
        encode: Observations ``[n, ...]`` as floats of that space ``[n, ...]``.
    """

    space: Box
    encode: Callable[[NDArray[Any]], NDArray[np.float32]]


def inputs_for(space: Space[Any]) -> Inputs:
    """Return how observations of a space are given to a network.

    Numbers stay as they are, bytes become shares of 255, and classes rows of zeros with a one.

    Raises:
        TlmlError: No network takes observations of the space.
    """
    if isinstance(space, Discrete):
        return _one_hot([int(space.n)], np.array([int(space.start)]))
    if isinstance(space, MultiDiscrete):
        return _one_hot([int(n) for n in space.nvec.reshape(-1)], space.start.reshape(-1))
    if isinstance(space, MultiBinary):
        return Inputs(Box(0, 1, space.shape, np.float32), _floats)
    if not isinstance(space, Box):
        raise TlmlError(
            f"observations: no network takes {space}; it takes a Box, Discrete, MultiDiscrete and "
            "MultiBinary, and Dict and Tuple flattened"
        )
    if space.dtype == np.uint8:
        return Inputs(Box(0, 1, space.shape, np.float32), _shares)
    return Inputs(Box(-np.inf, np.inf, space.shape, np.float32), _floats)


def as_given(inputs: NDArray[Any], like: Tensor) -> Tensor:
    """Return inputs where a network's parameters are: floats in their precision, bytes as bytes."""
    x = torch.from_numpy(inputs)
    return x.to(like.device) if x.dtype == torch.uint8 else x.to(like)


def shares(x: Tensor, like: Tensor) -> Tensor:
    """Return bytes as shares of 255 in another tensor's precision; anything else as it is."""
    return x.to(like.dtype) / _BYTE if x.dtype == torch.uint8 else x


def _floats(seen: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(seen, np.float32)


def _shares(seen: NDArray[Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.divide(seen, _BYTE, dtype=np.float32)
    return found


def _one_hot(sizes: list[int], start: NDArray[Any]) -> Inputs:
    first = np.cumsum([0, *sizes[:-1]])

    def encode(seen: NDArray[Any]) -> NDArray[np.float32]:
        places = np.reshape(seen, (len(seen), -1)) - start + first
        rows = np.zeros((len(seen), sum(sizes)), np.float32)
        np.put_along_axis(rows, places.astype(np.int64), 1.0, 1)
        return rows

    return Inputs(Box(0, 1, (sum(sizes),), np.float32), encode)

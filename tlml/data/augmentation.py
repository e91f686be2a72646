"""Image augmentation: each example is changed at random, by a generator of its own draw."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from torch import Generator, Tensor
from torch.nn import functional as F

from tlml.errors import TlmlError, unknown

Change = Callable[[Tensor, Generator], Tensor]
Augment = str | Sequence[str] | Change | None

_STRENGTH = 0.4  # of jitter, each way: Chen et al. 2019, 'A Closer Look at Few-shot Classification'
_ANGLE = math.radians(15)
_PADDING = 8  # crops move by up to this part of a side: 4 of 32 in He et al. 2016
# Zhong et al. 2020, 'Random Erasing Data Augmentation': how often, area, height over width.
_ERASED, _AREA, _ASPECT = 0.5, (0.02, 0.4), (0.3, 1 / 0.3)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def changes(augment: Augment, space: Space[Any], whose: str) -> tuple[Change, ...]:
    """Return what `augment` names, in its order; nothing where it is None.

    Args:
        augment: Names of `NAMES`, or a function of ``x [n, C, H, W]`` and a generator.
        space: The space of the inputs.
        whose: Whose inputs they are, for errors.

    Raises:
        TlmlError: An unknown name, inputs other than images, or a function that can't be pickled.
    """
    if augment is None:
        return ()
    if callable(augment):
        return (_pickling(augment),)
    names = [augment] if isinstance(augment, str) else list(augment)
    for name in names:
        if name not in NAMES:
            raise unknown("augmentation", name, NAMES)
    _check_images(", ".join(names), space, whose)
    return tuple(_bound(name, space) for name in names)


def augmented(x: Tensor, made: Sequence[Change], rng: np.random.Generator) -> Tensor:
    """Return ``x [n, ...]`` with each example changed; a function of `x` and `rng` only.

    Raises:
        TlmlError: A function returns another shape.
    """
    if not made or not len(x):
        return x
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    for change in made:
        shape, x = x.shape, change(x, generator)
        if x.shape != shape:
            name = getattr(change, "__name__", type(change).__name__)
            raise TlmlError(f"augment: {name} turns the shape {[*shape]} into {[*x.shape]}")
    return x


def flip(x: Tensor, generator: Generator) -> Tensor:
    """Mirror half of the images left to right."""
    chosen = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(_each(chosen), x.flip(-1), x)


def crop(x: Tensor, generator: Generator) -> Tensor:
    """Move each image by up to an eighth of its sides; what comes in is its reflection."""
    n, _, height, width = x.shape
    pads = [max(1, side // _PADDING) for side in (height, width)]
    padded = F.pad(x, (pads[1], pads[1], pads[0], pads[0]), mode="reflect")
    rows, columns = (
        torch.randint(2 * pad + 1, (n, 1), generator=generator) + torch.arange(side)
        for pad, side in zip(pads, (height, width), strict=True)
    )
    at = torch.arange(n)[:, None, None]
    # Indices apart from each other put the channels last.
    return padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def jitter(
    x: Tensor, generator: Generator, low: float = -math.inf, high: float = math.inf
) -> Tensor:
    """Change brightness, contrast and (of three channels) saturation by up to 40% each way.

    Args:
        x: ``[n, C, H, W]``.
        generator: Of the draws.
        low: Black, and the least value; 0 is black where it is infinite.
        high: The greatest value.
    """
    black = low if math.isfinite(low) else 0.0
    brightness, contrast, saturation = 1 + _STRENGTH * _uniform(x, generator, 3)
    x = ((x - black) * brightness + black).clamp(low, high)
    x = _blend(x, _grey(x).mean((2, 3), keepdim=True), contrast).clamp(low, high)
    return _blend(x, _grey(x), saturation).clamp(low, high) if x.shape[1] == 3 else x


def rotate(x: Tensor, generator: Generator) -> Tensor:
    """Turn each image about its middle by up to 15 degrees; its edges are reflected."""
    n, _, height, width = x.shape
    angle = _ANGLE * _uniform(x, generator, 1).reshape(n)
    sine, cosine, none = angle.sin(), angle.cos(), torch.zeros_like(angle)
    # The grid's coordinates go from -1 to 1 along both sides, however long they are.
    turn = torch.stack(
        [cosine, -sine * height / width, none, sine * width / height, cosine, none], 1
    )
    grid = F.affine_grid(turn.view(n, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def erase(x: Tensor, generator: Generator) -> Tensor:
    """Fill a rectangle of 2% to 40% of half of the images by their mean, channel by channel."""
    n, _, height, width = x.shape
    chosen, area, aspect, top, left = torch.rand(5, n, generator=generator)
    area = height * width * (_AREA[0] + (_AREA[1] - _AREA[0]) * area)
    first, last = map(math.log, _ASPECT)
    aspect = torch.exp(first + (last - first) * aspect)
    rows = _within(top, (area * aspect).sqrt(), height)
    columns = _within(left, (area / aspect).sqrt(), width)
    inside = rows[:, None, :, None] & columns[:, None, None, :] & _each(chosen < _ERASED)
    return torch.where(inside, x.mean((2, 3), keepdim=True), x)


NAMES: Mapping[str, Change] = MappingProxyType(
    {"flip": flip, "crop": crop, "jitter": jitter, "rotate": rotate, "erase": erase}
)


def _bound(name: str, space: Space[Any]) -> Change:
    if name != "jitter":
        return NAMES[name]
    assert isinstance(space, Box)  # the images were checked
    return partial(jitter, low=float(space.low.min()), high=float(space.high.max()))


def _check_images(names: str, space: Space[Any], whose: str) -> None:
    shape, dtype = space.shape or (), space.dtype
    images = isinstance(space, Box) and len(shape) == 3 and min(shape[1:]) > 1
    if not images or not np.issubdtype(dtype or np.int64, np.floating):
        raise TlmlError(
            f"augment: {names} needs images [channels, height, width] of floats, and the inputs of "
            f"{whose} are {dtype} of shape {[*shape]}"
        )


def _pickling(change: Change) -> Change:
    try:
        pickle.dumps(change)
    except Exception as error:  # whatever its own parts raise
        name = getattr(change, "__qualname__", type(change).__qualname__)
        raise TlmlError(
            f"augment: {name} can't be pickled, which loader processes need; define it at the top "
            "of a module"
        ) from error
    return change


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _uniform(x: Tensor, generator: Generator, draws: int) -> Tensor:
    """Draw from -1 to 1, ``[draws, n, 1, 1, 1]``."""
    values = 2 * torch.rand(draws, len(x), generator=generator, dtype=x.dtype) - 1
    return values[..., None, None, None]


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] != 3:
        return x
    return (x * torch.tensor(_GREY, dtype=x.dtype)[:, None, None]).sum(1, keepdim=True)


def _blend(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return other + (x - other) * share


def _within(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Return which of `side` pixels lie in each stretch ``[n, side]``, which is all inside."""
    length = length.clamp(1, side)
    first = (start * (side - length + 1)).floor()[:, None]
    at = torch.arange(side)
    return (at >= first) & (at < first + length.round()[:, None])

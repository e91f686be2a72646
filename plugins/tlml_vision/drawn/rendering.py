"""From a character and a font to small grey images, white on black, with or without jitter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from tlml.errors import TlmlError

Images = NDArray[np.uint8]


CANVAS = 56  # side in pixels of the drawings that are warped and shrunk
SIZES = (8, 56)
_EM = 64
_CHUNK = 1024

# Jitter, each uniform in ±: angle in degrees, scale of each axis and shear as shares, shift as
# a share of the image (2 of 28 pixels).
_ANGLE, _SCALE, _SHEAR, _SHIFT = 15.0, 0.15, 0.2, 2 / 28


def check_size(size: int) -> None:
    """Raise where images of this side in pixels can't be made."""
    low, high = SIZES
    if not low <= size <= high:
        raise TlmlError(f"size: must be from {low} to {high} pixels, is {size}")


def drawings(path: Path, texts: Sequence[str], fill: float = 22 / 28) -> Images:
    """Draw each text in the font of a file, cut out and centred ``[n, CANVAS, CANVAS]``.

    What is blank, or only the font's box for characters that it lacks, is all zero; so is
    everything where the file can't be drawn from.

    Args:
        path: The font file.
        texts: What to draw, usually one character each.
        fill: The drawing's longest side as a share of the canvas.
    """
    try:
        font = ImageFont.truetype(path, _EM, layout_engine=ImageFont.Layout.BASIC)
        absent = _cut(font, "\U0010ffff")
        cuts = [_cut(font, text) for text in texts]
    except OSError:
        return np.zeros((len(texts), CANVAS, CANVAS), np.uint8)
    return np.stack([_centre(cut if cut != absent else None, fill) for cut in cuts])


def plain(canvas: Tensor, size: int) -> Tensor:
    """Resample ``[n, side, side]`` to ``[n, size, size]`` without aliasing."""
    return warp_images(canvas, torch.eye(2, 3).expand(len(canvas), 2, 3), size)


def jitter_images(canvas: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Resample likewise; turn, scale, slant and shift each by random amounts of its own."""
    return warp_images(canvas, _jitter(len(canvas), rng), size)


def warp_images(canvas: Tensor, matrices: Tensor, size: int) -> Tensor:
    """Resample likewise; ``matrices [n, 2, 3]`` map places in the result to places in `canvas`."""
    # Resampling at a whole multiple of the size and averaging keeps thin strokes.
    fine = math.ceil(CANVAS / size)
    shape = [len(canvas), 1, fine * size, fine * size]
    grid = F.affine_grid(matrices, shape, align_corners=False)
    values = F.grid_sample(canvas.unsqueeze(1), grid, align_corners=False)
    return F.avg_pool2d(values, fine).squeeze(1)


def to_unit(images: Images) -> Tensor:
    """Turn grey levels 0 to 255 into floats in [0, 1]."""
    return torch.from_numpy(images).float() / 255


def to_grey(values: Tensor) -> Images:
    """Turn floats in [0, 1] into grey levels 0 to 255."""
    levels: Images = (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return levels


def chunks(count: int) -> list[slice]:
    """Divide `count` images into slices that fit the processor's memory."""
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _cut(font: ImageFont.FreeTypeFont, text: str) -> Image.Image | None:
    page = Image.new("L", (4 * _EM, 3 * _EM))
    ImageDraw.Draw(page).text((_EM, _EM), text, fill=255, font=font)
    box = page.getbbox()
    return page.crop(box) if box else None


def _centre(cut: Image.Image | None, fill: float) -> Images:
    canvas = Image.new("L", (CANVAS, CANVAS))
    if cut is not None:
        scale = fill * CANVAS / max(cut.size)
        width, height = (max(1, round(scale * side)) for side in cut.size)
        small = cut.resize((width, height), Image.Resampling.BILINEAR)
        canvas.paste(small, ((CANVAS - width) // 2, (CANVAS - height) // 2))
    return np.asarray(canvas)


def _jitter(count: int, rng: np.random.Generator) -> Tensor:
    angle, wide, high, shear, right, down = rng.uniform(-1, 1, (6, count))
    angle = np.radians(_ANGLE) * angle
    turn = _matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
    slant = _matrices(1 + _SCALE * wide, _SHEAR * shear, np.zeros(count), 1 + _SCALE * high)
    # Resampling needs the way back: where each place of the result comes from.
    back = np.linalg.inv(turn @ slant)
    # Places run from -1 to 1, so that a share of the image is twice itself.
    move = 2 * _SHIFT * np.stack([right, down], axis=-1)[..., None]
    return torch.from_numpy(np.concatenate([back, -back @ move], axis=2)).float()


def _matrices(*entries: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack(entries, axis=-1).reshape(-1, 2, 2)

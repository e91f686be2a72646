"""Digits: printed ones to learn from, handwritten ones to carry the knowledge to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor
from torch.nn import functional as F

from tlml import Domain, Examples
from tlml.data import SPLITS, Part, Split, fingerprint_files
from tlml.errors import check_choice, check_positive
from tlml_vision.drawn.fonts import FontFile, check_folder, fingerprint, font_files
from tlml_vision.drawn.rendering import (
    CANVAS,
    Images,
    check_size,
    drawings,
    jitter_images,
    to_unit,
    warp_images,
)
from tlml_vision.storage.cache import Arrays, load_or_make
from tlml_vision.storage.progress_bar import progress

RECIPE = 1  # to be raised with each change to the images
POOL = 1000  # handwritten rows from which labels may be taken; the others are for testing

_PARTS: tuple[Part, ...] = ("train", "val", "test")
_DIGITS = frozenset(range(ord("0"), ord("9") + 1))
_OLD_STYLE = "cmmi"  # its 0 and 1 look like o and I

# How the handwriting was digitised: 32 x 32 bitmaps, counted in 8 x 8 blocks of 16 pixels.
_BITMAP, _SIDE, _LEVELS = 32, 8, 16
_NEAR_COPY = 0.985
_HELD_OUT = 5  # every fifth font is for validation


@dataclass(frozen=True, slots=True)
class DigitTask:
    """Digits of one font, or the handwriting, in parts that share no image."""

    name: str
    parts: dict[Part, Examples]

    def split(self, part: Part) -> Examples:
        """Return the images ``[n, 1, size, size]`` and digits ``[n]`` of one part."""
        check_choice("part", part, _PARTS)
        return self.parts[part]


class Digits(Domain[DigitTask]):
    """Printed digits as source, real handwriting (scikit-learn's) as target, in [0, 1].

    A source or validation task is a font. The one target task has the part ``train`` (the 1,000
    images that labels may be taken from), no ``val``, and ``test`` (797 images).

    Args:
        size: Side of the images in pixels, 8 to 56; what they show has a resolution of 8 x 8.
        jitter: Whether printed digits are turned (15 degrees), scaled (15% on each axis) and
            slanted (0.2), at most, by random amounts that never change.
        variants: Images of each digit in each font; without jitter there is one.
        fonts: A folder with more fonts (.otf, .ttf).

    Raises:
        TlmlError: An option is out of range or the folder isn't there.
    """

    def __init__(
        self,
        size: int = 28,
        jitter: bool = True,
        variants: int = 40,
        fonts: str | None = None,
    ) -> None:
        check_size(size)
        check_positive(variants=variants)
        check_folder(fonts)
        self.size, self.jitter, self.fonts = size, jitter, fonts
        self.variants = variants if jitter else 1
        self.x = Box(0.0, 1.0, (1, size, size), np.float32)
        self.y = Discrete(10)
        self._tasks: dict[Split, list[DigitTask]] = {}

    def fingerprint(self) -> str | None:
        """Return the state of the folder of fonts, where one is named."""
        return fingerprint_files(self.fonts) if self.fonts else None

    def tasks(self, split: Split) -> Sequence[DigitTask]:
        """Return a task for each font of the split, or the handwriting."""
        check_choice("split", split, SPLITS)
        if split == "target" and split not in self._tasks:
            self._tasks[split] = [_handwriting(self.size)]
        if split not in self._tasks:
            self._tasks |= self._printed()
        return self._tasks[split]

    def __getstate__(self) -> dict[str, Any]:
        # The images are read from the disk again: copies for workers stay small.
        return {**self.__dict__, "_tasks": {}}

    def _printed(self) -> dict[Split, list[DigitTask]]:
        files = font_files(self.fonts)
        recipe = {
            "recipe": RECIPE,
            "pillow": PIL.__version__,
            "fonts": fingerprint(files),
            "options": [self.jitter, self.variants],
        }
        kept = load_or_make("digits", recipe, lambda: self._render(files))
        fonts = zip(kept["names"], kept["levels"], strict=True)
        tasks = [_font_task(str(name), levels, self.size) for name, levels in fonts]
        held_out = tasks[_HELD_OUT - 1 :: _HELD_OUT]
        del tasks[_HELD_OUT - 1 :: _HELD_OUT]
        return {"source": tasks, "validation": held_out}

    def _render(self, files: list[FontFile]) -> Arrays:
        rng = np.random.default_rng(RECIPE)
        fonts = _fonts(files)
        levels = [np.zeros((0, 10, self.variants, _SIDE, _SIDE), np.uint8)]
        for canvas in progress(list(fonts.values()), "digits: making samples"):
            drawn = to_unit(canvas).repeat_interleave(self.variants, dim=0)
            slanted = jitter_images(drawn, CANVAS, rng) if self.jitter else drawn
            levels.append(_levels(slanted).reshape(1, 10, self.variants, _SIDE, _SIDE))
        return {"names": np.array(list(fonts), dtype=np.str_), "levels": np.concatenate(levels)}


def _fonts(files: list[FontFile]) -> dict[str, Images]:
    """Draw the digits ``[10, CANVAS, CANVAS]`` of all fonts that have them and differ."""
    found: dict[str, Images] = {}
    compared: list[Tensor] = []
    for file in progress(files, "digits: drawing"):
        if file.name.startswith(_OLD_STYLE) or not file.characters().issuperset(_DIGITS):
            continue
        # Jitter needs room around the digit, which is cut out afterwards.
        canvas = drawings(file.path, [chr(code) for code in sorted(_DIGITS)], fill=0.6)
        pixels = F.normalize(to_unit(canvas).flatten(), dim=0)
        if canvas.any(axis=(1, 2)).all() and all(pixels @ x <= _NEAR_COPY for x in compared):
            found.setdefault(file.name, canvas)
            compared.append(pixels)
    return found


def _levels(canvas: Tensor) -> Images:
    """Digitise as the handwriting was: a bitmap of full height, then 4 x 4 blocks counted."""
    framed = warp_images(canvas, _frames(canvas > 0.5), _BITMAP)
    shares = F.avg_pool2d((framed > 0.5).float().unsqueeze(1), _BITMAP // _SIDE).squeeze(1)
    levels: Images = (shares * _LEVELS).round().to(torch.uint8).numpy()
    return levels


def _frames(ink: Tensor) -> Tensor:
    """Return the matrices ``[n, 2, 3]`` that make what is inked fill the image."""
    side = ink.shape[-1]
    spans = []
    for axis in (1, 2):
        inked = ink.any(dim=axis).float()
        spans.append((inked.argmax(dim=1), side - inked.flip(1).argmax(dim=1)))
    # Places run from -1 to 1 across the image; half the longer span becomes 1.
    half = torch.stack([end - start for start, end in spans]).amax(dim=0) / side
    centres = [(start + end) / side - 1 for start, end in spans]
    zero = torch.zeros_like(half)
    rows = [torch.stack([half, zero, centres[0]]), torch.stack([zero, half, centres[1]])]
    return torch.stack(rows).permute(2, 0, 1)


def _resize(levels: Tensor, size: int) -> Tensor:
    """Enlarge levels ``[n, 8, 8]`` to ``[n, 1, size, size]`` in [0, 1]."""
    unit = levels.float().unsqueeze(1) / _LEVELS
    return F.interpolate(unit, (size, size), mode="bilinear", align_corners=False)


def _font_task(name: str, levels: Images, size: int) -> DigitTask:
    variants = levels.shape[1]
    test, val = 3 * variants // 8, variants // 8
    bounds: dict[Part, slice] = {
        "train": slice(0, variants - test - val),
        "val": slice(variants - test - val, variants - test),
        "test": slice(variants - test, variants),
    }
    return DigitTask(name, {part: _examples(levels[:, b], size) for part, b in bounds.items()})


def _examples(levels: Images, size: int) -> Examples:
    digits = torch.arange(10).repeat_interleave(levels.shape[1])
    return Examples(_resize(torch.from_numpy(levels).flatten(0, 1), size), digits)


def handwriting(size: int) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 images ``[n, 1, size, size]`` in [0, 1] and their digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return _resize(torch.from_numpy(data.images), size), torch.from_numpy(data.target).long()


def _handwriting(size: int) -> DigitTask:
    x, y = handwriting(size)
    none = Examples(x[:0].clone(), y[:0].clone())
    pool = Examples(x[:POOL].clone(), y[:POOL].clone())
    return DigitTask(
        "handwriting",
        {"train": pool, "val": none, "test": Examples(x[POOL:].clone(), y[POOL:].clone())},
    )

"""Characters of many alphabets, printed in many fonts: few-shot classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL
from fontTools.unicodedata import Scripts  # type: ignore[import-untyped]
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.data import SPLITS, Split, fingerprint_files
from tlml.errors import TlmlError, check_choice, check_positive, unknown
from tlml_vision.drawn.characters import alphabet, draw_letters
from tlml_vision.drawn.fonts import FontFile, check_folder, fingerprint, font_files
from tlml_vision.drawn.rendering import (
    Images,
    check_size,
    chunks,
    jitter_images,
    plain,
    to_grey,
    to_unit,
)
from tlml_vision.storage.cache import Arrays, load_or_make
from tlml_vision.storage.progress_bar import progress

RECIPE = 1  # to be raised with each change to the images


class Glyphs(ClassPool):
    """Letters as classes, divided by alphabet; a sample is ``[1, size, size]`` in [0, 1].

    Each letter is printed in the fonts that matplotlib ships and in those of `fonts`. Of letters
    that look alike (A, Α, А; o, O) one is a class; letters with accents (é) are left out.

    Args:
        size: Side of the images in pixels, 8 to 56.
        jitter: Whether samples are turned (15 degrees), scaled (15%), slanted (0.2) and shifted
            (2 pixels of 28), at most, by random amounts that never change.
        variants: Samples from each print; without jitter there is one.
        fonts: A folder with more fonts (.otf, .ttf).
        source: Alphabets to learn from, by Unicode name; all that are in no other split if None.
        validation: Alphabets of the validation split.
        target: Alphabets of the target split.
        min_forms: Fewest different prints with which a letter becomes a class.

    Raises:
        TlmlError: An option is out of range, an alphabet is unknown or in two splits, or the
            folder isn't there.
    """

    def __init__(
        self,
        size: int = 28,
        jitter: bool = True,
        variants: int = 3,
        fonts: str | None = None,
        source: Sequence[str] | None = None,
        validation: Sequence[str] = ("Greek",),
        target: Sequence[str] = ("Armenian", "Georgian"),
        min_forms: int = 10,
    ) -> None:
        check_size(size)
        check_positive(variants=variants, min_forms=min_forms)
        check_folder(fonts)
        self.size, self.jitter, self.fonts = size, jitter, fonts
        self.variants, self.min_forms = variants if jitter else 1, min_forms
        self.source = None if source is None else _alphabets("source", source)
        self.validation = _alphabets("validation", validation)
        self.target = _alphabets("target", target)
        _check_in_one_split(self.source or (), self.validation, self.target)
        self.x = Box(0.0, 1.0, (1, size, size), np.float32)
        self._classes: dict[Split, dict[str, Tensor]] = {}

    def fingerprint(self) -> str | None:
        """Return the state of the folder of fonts, where one is named."""
        return fingerprint_files(self.fonts) if self.fonts else None

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each letter of a split to its samples ``[n, 1, size, size]``.

        Raises:
            TlmlError: The fonts hold no letters of the split.
        """
        check_choice("split", split, SPLITS)
        if not self._classes:
            self._classes = self._load()
        if not self._classes[split]:
            raise TlmlError(
                f"glyphs: the fonts hold no {split} letter with {self.min_forms} different "
                f"prints; there is {_summary(self._classes)}"
            )
        return self._classes[split]

    def __getstate__(self) -> dict[str, Any]:
        # The images are read from the disk again: copies for workers stay small.
        return {**self.__dict__, "_classes": {}}

    def _load(self) -> dict[Split, dict[str, Tensor]]:
        files = font_files(self.fonts)
        recipe = {
            "recipe": RECIPE,
            "pillow": PIL.__version__,
            "fonts": fingerprint(files),
            "alphabets": self._wanted(),
            "options": [self.size, self.jitter, self.variants, self.min_forms],
        }
        kept = load_or_make("glyphs", recipe, lambda: self._render(files))
        classes: dict[Split, dict[str, Tensor]] = {split: {} for split in SPLITS}
        ends = np.cumsum(kept["counts"].astype(np.int64))
        for name, start, end in zip(kept["names"], [0, *ends], ends, strict=False):
            # A copy for each class: pickling a slice would pickle all images.
            images = kept["images"][start:end].astype(np.uint8)
            classes[self._split(str(name))][str(name)] = to_unit(images).unsqueeze(1)
        return classes

    def _split(self, name: str) -> Split:
        own = alphabet(name)
        if own in self.target:
            return "target"
        return "validation" if own in self.validation else "source"

    def _wanted(self) -> list[str] | None:
        if self.source is None:
            return None
        return sorted({*self.source, *self.validation, *self.target})

    def _render(self, files: list[FontFile]) -> Arrays:
        prints = draw_letters(files, self._wanted(), self.min_forms)
        rows = np.concatenate([[], *prints.forms.values()]).astype(np.intp)
        return {
            "names": np.array(list(prints.forms), dtype=np.str_),
            "counts": np.array([len(r) * self.variants for r in prints.forms.values()], np.int64),
            "images": self._samples(prints.canvas, np.repeat(rows, self.variants)),
        }

    def _samples(self, canvas: Images, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Images:
        rng = np.random.default_rng(RECIPE)
        images = [np.zeros((0, self.size, self.size), np.uint8)]
        for part in progress(chunks(len(rows)), "glyphs: making samples"):
            drawn = to_unit(canvas[rows[part]])
            made = jitter_images(drawn, self.size, rng) if self.jitter else plain(drawn, self.size)
            images.append(to_grey(made))
        return np.concatenate(images)


def _alphabets(option: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TlmlError(f"{option}: must be a list of alphabets, such as [{names}]")
    known = set(Scripts.NAMES.values())
    for name in names:
        if name not in known:
            raise unknown("alphabet", name, known)
    return tuple(names)


def _check_in_one_split(*splits: Sequence[str]) -> None:
    counts = Counter(name for split in splits for name in set(split))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise TlmlError(f"glyphs: {', '.join(twice)} is in two of source, validation and target")


def _summary(classes: Mapping[Split, Mapping[str, Tensor]]) -> str:
    counts = Counter(alphabet(name) for own in classes.values() for name in own)
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common()) or "none at all"

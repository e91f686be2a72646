"""Which characters the fonts hold, and which of their printed forms are worth keeping."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from fontTools import unicodedata as scripts  # type: ignore[import-untyped]
from numpy.typing import NDArray
from torch.nn import functional as F

from tlml_vision.drawn.fonts import FontFile
from tlml_vision.drawn.rendering import CANVAS, Images, chunks, drawings, to_unit
from tlml_vision.storage.progress_bar import progress

# Two images are told apart by the cosine of their pixels, 28 x 28 and without jitter.
NEAR_COPY = 0.985
HOMOGLYPH = 0.97

Forms = dict[str, NDArray[np.intp]]

_LETTERS = ("Lu", "Ll", "Lt", "Lo")
_MATHEMATICAL = range(0x1D400, 0x1D800)


@dataclass(frozen=True, slots=True)
class PrintedLetters:
    """The printed forms of characters: ``forms[c]`` are the rows of `canvas` that show `c`."""

    canvas: Images
    forms: Forms


def alphabet(character: str) -> str:
    """Return the English name of the Unicode script, such as ``"Greek"``."""
    return str(scripts.script_name(scripts.script(character)))


def letter(code: int) -> str | None:
    """Return the letter that a code point shows, or None where it is not a letter of its own.

    The bold, italic, … alphabets of mathematics show the letters that they are made of. Others
    that decompose are left out: é would be told from e by its accent alone.
    """
    parts = unicodedata.decomposition(chr(code)).split()
    if parts and code in _MATHEMATICAL:
        return letter(int(parts[-1], base=16))
    known = not parts and unicodedata.category(chr(code)) in _LETTERS
    return chr(code) if known else None


def draw_letters(
    files: list[FontFile], alphabets: Collection[str] | None, min_forms: int
) -> PrintedLetters:
    """Draw all letters of some alphabets (None: of all) that have enough different forms."""
    wanted = _candidates(files, alphabets, min_forms)
    if not wanted:
        return PrintedLetters(np.zeros((0, CANVAS, CANVAS), np.uint8), {})
    canvas, rows = _draw(files, wanted)
    pixels = _compared(canvas)
    forms = {character: _different(pixels, rows[character]) for character in sorted(rows)}
    forms = _without_homoglyphs(pixels, _enough(forms, min_forms))
    forms = _enough(_without_shared(pixels, forms), min_forms)
    return PrintedLetters(canvas, dict(sorted(forms.items())))


def _candidates(
    files: list[FontFile], alphabets: Collection[str] | None, min_forms: int
) -> dict[str, list[tuple[int, int]]]:
    """Map each letter to the fonts (by number) and code points that may show it."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, file in enumerate(files):
        for code in sorted(file.characters()):
            character = letter(code)
            if character is not None:
                found[character].append((number, code))
    return {
        character: forms
        for character, forms in found.items()
        if len(forms) >= min_forms and (alphabets is None or alphabet(character) in alphabets)
    }


def _draw(
    files: list[FontFile], wanted: dict[str, list[tuple[int, int]]]
) -> tuple[Images, dict[str, list[int]]]:
    by_font: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for character, forms in wanted.items():
        for number, code in forms:
            by_font[number].append((character, code))
    canvases, rows, count = [], defaultdict(list), 0
    for number, shown in progress(sorted(by_font.items()), "glyphs: drawing"):
        canvases.append(drawings(files[number].path, [chr(code) for _, code in shown]))
        for row, (character, _) in enumerate(shown, start=count):
            rows[character].append(row)
        count += len(shown)
    return np.concatenate(canvases), dict(rows)


def _compared(canvas: Images) -> NDArray[np.float32]:
    """Return what is compared: images of length 1 ``[n, 784]``, blank ones of length 0."""
    small = [F.avg_pool2d(to_unit(canvas[part]), CANVAS // 28) for part in chunks(len(canvas))]
    pixels: NDArray[np.float32] = F.normalize(torch.cat(small).flatten(1)).numpy()
    return pixels


def _different(pixels: NDArray[np.float32], rows: list[int]) -> NDArray[np.intp]:
    """Keep the drawings of one letter that are neither blank nor near copies of others."""
    inked = np.array([row for row in rows if pixels[row].any()], dtype=np.intp)
    return inked[_apart(pixels[inked], NEAR_COPY)]


def _enough(forms: Forms, least: int) -> Forms:
    return {character: rows for character, rows in forms.items() if len(rows) >= least}


def _without_homoglyphs(pixels: NDArray[np.float32], forms: Forms) -> Forms:
    """Of letters that look alike (A, Α, А; o, O) keep the one with most forms, in that order."""
    if not forms:
        return {}
    names = sorted(forms, key=lambda character: (-len(forms[character]), character))
    means = np.stack([pixels[forms[name]].mean(axis=0) for name in names])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return {names[i]: forms[names[i]] for i in _apart(means, HOMOGLYPH)}


def _without_shared(pixels: NDArray[np.float32], forms: Forms) -> Forms:
    """Drop near copies of the forms of a letter before theirs (l and I without serifs)."""
    rows = np.concatenate([np.zeros(0, np.intp), *forms.values()])
    counts = np.array([len(own) for own in forms.values()], dtype=np.intp)
    letters = np.repeat(np.arange(len(forms)), counts)
    shared = np.zeros(len(rows), bool)
    for part in chunks(len(rows)):
        before = slice(0, part.stop)
        near = pixels[rows[part]] @ pixels[rows[before]].T > NEAR_COPY
        shared[part] = (near & (letters[before] < letters[part, None])).any(axis=1)
    return {name: rows[(letters == number) & ~shared] for number, name in enumerate(forms)}


def _apart(vectors: NDArray[np.float32], limit: float) -> list[int]:
    """Return which vectors are no nearer than `limit` to one kept before them."""
    near = vectors @ vectors.T > limit
    kept: list[int] = []
    for i in range(len(vectors)):
        if not near[i, kept].any():
            kept.append(i)
    return kept

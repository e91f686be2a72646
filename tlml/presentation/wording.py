"""How the parts of a report are called, and which characters they may hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from tlml.presentation.rows import Block


def title(block: Block) -> str:
    """Say what a block shows: ``glyphs, 5 shots: accuracy (higher is better)``."""
    return f"{place(block)}: {direction(block)}"


def place(block: Block) -> str:
    """Say where a block was measured: ``glyphs, 5 shots``."""
    return f"{block.domain}, {point_words(block.point)}"


def point_words(point: Mapping[str, int]) -> str:
    """Say a point as one speaks: ``1 shot``, ``5 shots``, ``2000 env steps``."""
    return ", ".join(_counted(axis.replace("_", " "), value) for axis, value in point.items())


def direction(block: Block) -> str:
    """Name a metric with the direction that is better."""
    return f"{block.metric} ({'higher' if block.higher_is_better else 'lower'} is better)"


def printable(text: str) -> str:
    r"""Write characters that steer a terminal, or that no file can hold, as escapes: ``\x1b``."""
    return "".join(
        char.encode("unicode_escape").decode() if _steers(char) else char for char in text
    )


def _counted(unit: str, value: int) -> str:
    return f"{value} {unit.removesuffix('s') if value == 1 else unit}"


def _steers(char: str) -> bool:
    # Control characters, marks that turn the direction of writing, surrogates, ends of lines.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}

"""How the parts of a report are called, and which characters they may hold."""

from __future__ import annotations

import unicodedata

from tlml.presentation.rows import Block


def title(block: Block) -> str:
    """Say what a block shows: ``glyphs, 5 shots: accuracy (higher is better), about 1 task``.

    What its intervals hold stands behind a semicolon.
    """
    what = ", ".join(filter(None, (direction(block), block.about)))
    return "; ".join(filter(None, (f"{place(block)}: {what}", block.basis)))


def place(block: Block) -> str:
    """Say where a block was measured: ``glyphs, 5 shots``."""
    return f"{block.domain}, {block.said}"


def direction(block: Block) -> str:
    """Name a metric with the direction that is better."""
    return f"{block.metric} ({'higher' if block.higher_is_better else 'lower'} is better)"


def printable(text: str) -> str:
    r"""Write characters that steer a terminal, or that no file can hold, as escapes: ``\x1b``."""
    # None of these characters counts as printable, and most texts have none.
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if _steers(char) else char for char in text
    )


def _steers(char: str) -> bool:
    # Control characters, marks that turn the direction of writing, surrogates, ends of lines.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}

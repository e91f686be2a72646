"""What is drawn of each method: its scores along an axis, and how it looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tlml.presentation.figure import Look, looks
from tlml.presentation.rows import Block, Interval, Row


@dataclass(frozen=True, slots=True)
class Line:
    """Scores of one method at places of an axis in rising order."""

    method: str
    places: tuple[float, ...]
    scores: tuple[Interval, ...]
    look: Look

    @property
    def name(self) -> str:
        """The method, and whether it is the baseline."""
        return f"{self.method} (baseline)" if self.look.dashed else self.method


def lines_of(blocks: Sequence[Block], methods: Sequence[str], baseline: str) -> list[Line]:
    """Return the lines of those methods that have a finite score.

    Args:
        blocks: Of one domain and protocol, by rising place.
        methods: All of the report, so that each keeps its colour over all domains.
        baseline: The one that is drawn as such.
    """
    drawn = looks(methods, baseline)
    found = [_line(blocks, method, drawn[method]) for method in methods]
    return [line for line in found if line.places]


def ticks_of(blocks: Sequence[Block]) -> dict[float, str]:
    """Return where each block is on the axis, with its name there.

    Words and shares stand in their order, for they are no numbers of what the axis counts.
    """
    names = [block.tick or str(block.value) for block in blocks]
    numbers = [
        block.value
        for block, name in zip(blocks, names, strict=True)
        if not isinstance(block.value, str) and name == str(block.value)
    ]
    where = numbers if len(numbers) == len(blocks) else range(len(blocks))
    return dict(zip(where, names, strict=True))


def _line(blocks: Sequence[Block], method: str, look: Look) -> Line:
    own = [
        (place, row.score)
        for place, block in zip(ticks_of(blocks), blocks, strict=True) for row in block.rows
        if row.method == method and row.score is not None and _finite(row)
    ]  # fmt: skip
    return Line(method, tuple(place for place, _ in own), tuple(score for _, score in own), look)


def _finite(row: Row) -> bool:
    return row.score is not None and math.isfinite(row.score.mean)

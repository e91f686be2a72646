"""Scores at a single point: the methods below each other, best readable as dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlml.presentation.figure import bars
from tlml.presentation.lines import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_dots(axes: Axes, lines: Sequence[Line]) -> None:
    """Draw the first score of each line with its interval, the baseline across all."""
    for height, line in enumerate(reversed(lines)):
        score, colour = line.scores[0], line.look.colour
        axes.errorbar(
            [score.mean], [height], xerr=bars([score]), color=colour,
            marker=line.look.marker, markersize=7, capsize=4, linestyle="none",
        )  # fmt: skip
        if line.look.dashed:
            axes.axvline(score.mean, color=colour, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(lines)), [line.name for line in reversed(lines)])
    axes.set_ylim(-0.6, max(len(lines) - 0.4, 0.6))

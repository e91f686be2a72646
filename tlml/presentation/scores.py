"""The picture of a domain: the score of each method along the protocol's axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlml.presentation.curves import draw_curves
from tlml.presentation.dots import draw_dots
from tlml.presentation.figure import HEIGHT, entitle, interval_words, new_figure, png, tidy
from tlml.presentation.lines import lines_of, ticks_of
from tlml.presentation.rows import Block
from tlml.presentation.wording import direction, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_scores(
    blocks: Sequence[Block], methods: Sequence[str], baseline: str, axis_label: str
) -> bytes:
    """Draw scores with intervals as a PNG: curves, or dots where there is one point.

    Without a finished cell it is an empty picture that says so.

    Args:
        blocks: Of one domain and protocol, by rising place; one at least.
        methods: All of the report, so that each keeps its colour over all domains.
        baseline: The method that the others are compared with.
        axis_label: What the axis counts.
    """
    lines = lines_of(blocks, methods, baseline)
    figure = new_figure(height=max(HEIGHT, 0.24 * len(lines) + 1.0))
    axes = figure.add_subplot()
    drawn = {at for line in lines for at in line.places}
    ticks = {at: name for at, name in ticks_of(blocks).items() if at in drawn}
    if len(ticks) > 1:
        draw_curves(axes, lines, ticks)
    else:
        draw_dots(axes, lines)
    _label(axes, blocks[0], axis_label, len(ticks))
    words = interval_words(score for line in lines for score in line.scores)
    where = place(blocks[0]) if len(ticks) == 1 else blocks[0].domain
    entitle(axes, f"{where}: target score{words}")
    return png(figure)


def _label(axes: Axes, block: Block, axis_label: str, places: int) -> None:
    text = f"target {direction(block)}"
    if places == 1:
        axes.set_xlabel(text)
    else:
        axes.set_xlabel(axis_label)
        axes.set_ylabel(text)
    tidy(axes)
    if not places:
        axes.text(0.5, 0.5, "nothing is done yet", ha="center", transform=axes.transAxes)

"""One set-up of all pictures: size, canvas, grid, frame, colours, markers and the PNG file.

Figures are made without pyplot, which keeps each of them alive; matplotlib is imported when
something is drawn, for tables do without it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tlml.presentation.rows import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008 without its yellow, which is lost on white; markers tell them apart in grey.
BLUE, VERMILION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, PURPLE, BROWN = "#56B4E9", "#E69F00", "#7F3C8D", "#8C564B"
COLOURS = (BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, PURPLE, BROWN)
DARK = "#4D4D4D"
FRAME = "#BBBBBB"
# The circle is the baseline's; seven, so that with eight colours 56 methods look different.
MARKERS = "sD^vP*X"
WIDTH, HEIGHT = 7.0, 4.2  # inches
_GRID = "#DDDDDD"
_DPI = 150
_MARGIN = 0.15  # inches
_COMPRESSION = 3  # of 9: half the time of the usual 6, for a tenth more


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn."""

    colour: str
    marker: str
    dashed: bool = False


def looks(methods: Sequence[str], baseline: str) -> dict[str, Look]:
    """Return how each method is drawn; the baseline is grey and dashed."""
    others = [method for method in methods if method != baseline]
    found = {
        method: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, method in enumerate(others)
    }
    return {m: found.get(m, Look(DARK, "o", dashed=True)) for m in methods}


def new_figure(
    width: float = WIDTH, height: float = HEIGHT, *, constrained: bool = False
) -> Figure:
    """Return an empty figure with a canvas.

    Args:
        width: In inches.
        height: In inches.
        constrained: Let matplotlib make room for legends and titles of several panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width, height), dpi=_DPI, layout="constrained" if constrained else None
    )
    FigureCanvasAgg(figure)
    return figure


def grid_of(figure: Figure, count: int, columns: int, *, share: bool = False) -> list[Axes]:
    """Return `count` panels, row by row; `share`: on one y axis."""
    rows = math.ceil(count / columns)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=share).flat)
    for empty in panels[count:]:
        empty.remove()
    return panels[:count]


def tidy(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """Give axes a light grid behind what is drawn, and no frame above and at the right."""
    axes.grid(axis=grid, color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def bare(axes: Axes) -> None:
    """Leave axes a light frame alone, where places mean nothing."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(FRAME)


def entitle(axes: Axes, text: str, pad: float | None = None) -> None:
    """Write a title at the left, `pad` points above the axes."""
    axes.set_title(text, loc="left", fontsize=11, pad=pad)


def bars(scores: Sequence[Interval]) -> list[list[float]]:
    """Return how far each interval reaches below and above its mean; without one, NaN."""
    # The mean may lie outside its own bootstrap interval by rounding alone.
    below = [max(score.mean - score.low, 0.0) if score.known else math.nan for score in scores]
    above = [max(score.high - score.mean, 0.0) if score.known else math.nan for score in scores]
    return [below, above]


def interval_words(scores: Iterable[Interval]) -> str:
    """Return what a title says of intervals, where there are some."""
    return " with 95% interval" if any(score.known for score in scores) else ""


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, the same for the same figure."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    # Told "tight", matplotlib would draw everything once more to find this box.
    box = figure.get_tightbbox().padded(_MARGIN)
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", metadata={"Software": None}, facecolor="white", bbox_inches=box,
        pil_kwargs={"compress_level": _COMPRESSION},
    )  # fmt: skip
    return buffer.getvalue()

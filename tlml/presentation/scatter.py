"""One figure against another, a point for each method, such as retained against lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tlml.presentation.figure import FRAME, Look, bars, entitle, new_figure, png, tidy
from tlml.presentation.rows import Interval


def draw_scatter(
    points: Mapping[str, tuple[Interval, Interval]], looks: Mapping[str, Look], *,
    x_label: str, y_label: str, title: str, zero: bool = False,
    levels: Mapping[str, Interval] = MappingProxyType({}),
) -> bytes:  # fmt: skip
    """Draw points with their intervals as a PNG; what is not finite is left out.

    Args:
        points: x and y by method.
        looks: How each method is drawn.
        x_label: What x is.
        y_label: What y is.
        title: What is seen.
        zero: Draw the line where x is 0.
        levels: y alone by method, of those that have no x: lines across.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    if zero:
        axes.axvline(0.0, color=FRAME, linewidth=1)
    for name, (x, y) in points.items():
        if _finite((x.mean, y.mean)):
            look = looks[name]
            axes.errorbar(
                [x.mean], [y.mean], xerr=bars([x]), yerr=bars([y]), color=look.colour,
                marker=look.marker, markersize=7, capsize=3, elinewidth=1, linestyle="none",
                label=f"{name} (baseline)" if look.dashed else name,
            )  # fmt: skip
    for name, level in levels.items():
        if _finite((level.mean,)):
            colour = looks[name].colour
            axes.axhline(level.mean, color=colour, linestyle=":", linewidth=1.5, label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    entitle(axes, title)
    tidy(axes)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return png(figure)


def _finite(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) for value in values)

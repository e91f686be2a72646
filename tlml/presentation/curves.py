"""Scores against an axis: a line for each method, named at its right end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlml.presentation.figure import bars
from tlml.presentation.lines import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 10.0  # from this ratio of the greatest to the least on, the axis is logarithmic
_LINE = 0.18  # inches from one line of text to the next
_NAMES = 1.04  # where names begin, as a share of the axes' width
_FROM_END, _TO_NAME = 5, 4  # points that a leader stays away


def draw_curves(axes: Axes, lines: Sequence[Line], ticks: Mapping[float, str]) -> None:
    """Draw lines with their intervals.

    Args:
        axes: Where.
        lines: What; each has a place at least.
        ticks: All places on the axis, rising, two at least, with their names.
    """
    if all(name == str(place) for place, name in ticks.items()):
        _scale(axes, list(ticks))
    for line in lines:
        means = [score.mean for score in line.scores]
        low, high = zip(*[(score.low, score.high) for score in line.scores], strict=True)
        colour = line.look.colour
        axes.fill_between(line.places, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.errorbar(
            line.places, means, yerr=bars(line.scores), color=colour, marker=line.look.marker,
            linestyle="--" if line.look.dashed else "-", markersize=5, capsize=3, elinewidth=1,
        )  # fmt: skip
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    _name_ends(axes, lines)


def _scale(axes: Axes, places: Sequence[float]) -> None:
    least = places[0] or places[1]
    if places[0] < 0 or places[-1] / least < _WIDE:
        return
    if places[0]:
        axes.set_xscale("log")
    else:
        # Linear up to the first number that isn't 0, which a logarithm has no place for.
        axes.set_xscale("symlog", linthresh=least)


def _name_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Write each method at the right end of its line, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = sorted(lines, key=lambda line: line.scores[-1].mean)
    shares = [(line.scores[-1].mean - low) / (high - low) for line in ends]
    names = [(_NAMES, height) for height in spread(shares, _gap(axes))]
    for line, name in zip(ends, names, strict=True):
        axes.text(
            *name, line.name, va="center", color=line.look.colour, fontsize=10,
            transform=axes.transAxes,
        )  # fmt: skip
    _lead(axes, ends, names)


def _lead(axes: Axes, ends: Sequence[Line], names: Sequence[tuple[float, float]]) -> None:
    """Draw a thin line from each end to its name; an annotation's arrow takes far longer."""
    from matplotlib.collections import LineCollection

    figure = axes.get_figure(root=True)
    assert figure is not None
    points = [(line.places[-1], line.scores[-1].mean) for line in ends]
    begin, end = axes.transData.transform(points), axes.transAxes.transform(names)
    way = end - begin
    pixels = figure.dpi / 72 / np.linalg.norm(way, axis=1, keepdims=True)
    both = np.stack([begin + _FROM_END * pixels * way, end - _TO_NAME * pixels * way], axis=1)
    leaders = LineCollection(
        list(axes.transAxes.inverted().transform(both.reshape(-1, 2)).reshape(-1, 2, 2)),
        colors=[line.look.colour for line in ends], linewidths=0.6,
        transform=axes.transAxes, clip_on=False, zorder=3,
    )  # fmt: skip
    leaders.set_in_layout(False)  # names reach further
    axes.add_collection(leaders, autolim=False)


def _gap(axes: Axes) -> float:
    """Return the height of a line of text as a share of the axes'."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return _LINE / (figure.get_figheight() * axes.get_position().height)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move sorted places apart until neighbours keep a gap, each group about its own middle.

    >>> spread([0.5, 0.5], gap=0.25)
    [0.375, 0.625]
    """
    groups: list[list[float]] = []
    for middle in places:
        groups.append([middle])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _top(groups[-2], gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_bottom(group, gap) + gap * i for group in groups for i in range(len(group))]


def _bottom(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _top(group: Sequence[float], gap: float) -> float:
    return _bottom(group, gap) + gap * (len(group) - 1)

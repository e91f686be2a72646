"""Plots of a report: the target score of each method against shots, with its interval."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlml.reports.summary import Block, Interval, Report, Row
from tlml.reports.tables import metric, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008 without its yellow, which is lost on white; markers tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F3C8D", "#8C564B")
# The circle is the baseline's; seven, so that with eight colours 56 methods look different.
_MARKERS = "sD^vP*X"
_GREY = "#4D4D4D"
_WIDE = 10.0  # from here on the shots are on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn of one method: scores at shots in rising order."""

    method: str
    shots: tuple[int, ...]
    scores: tuple[Interval, ...]
    colour: str
    marker: str
    dashed: bool


def plot(report: Report, domain: str) -> bytes:
    """Draw one domain as a PNG; methods keep their colours over all domains.

    Without a finished cell it is an empty plot that says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    blocks = [block for block in report.blocks if block.domain == domain]
    lines = _lines(report, blocks)
    figure = Figure(figsize=(7.0, max(4.2, 0.24 * len(lines) + 1.0)), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shots = sorted({shots for line in lines for shots in line.shots})
    if len(shots) > 1:
        _curves(axes, lines, shots)
    else:
        _dots(axes, lines)
    _label(axes, blocks, shots)
    return png(figure)


def _lines(report: Report, blocks: Sequence[Block]) -> list[Line]:
    methods = list(dict.fromkeys(row.method for block in report.blocks for row in block.rows))
    others = [method for method in methods if method != report.baseline]
    lines = []
    for method in methods:
        rows = [(block, row) for block in blocks for row in block.rows if _drawn(row, method)]
        baseline = method == report.baseline
        position = 0 if baseline else others.index(method)
        if rows:
            lines.append(
                Line(
                    method,
                    tuple(block.shots for block, _ in rows),
                    tuple(row.score for _, row in rows if row.score),
                    _GREY if baseline else COLOURS[position % len(COLOURS)],
                    "o" if baseline else _MARKERS[position % len(_MARKERS)],
                    baseline,
                )
            )
    return lines


def _drawn(row: Row, method: str) -> bool:
    return row.method == method and row.score is not None and math.isfinite(row.score.mean)


def _curves(axes: Axes, lines: Sequence[Line], shots: Sequence[int]) -> None:
    least = shots[0] or shots[1]
    if shots[-1] / least >= _WIDE:
        # Linear up to the first number that isn't 0, which a logarithm has no place for.
        axes.set_xscale("log") if shots[0] else axes.set_xscale("symlog", linthresh=least)
    for line in lines:
        means = [score.mean for score in line.scores]
        low, high = zip(*[(score.low, score.high) for score in line.scores], strict=True)
        axes.fill_between(line.shots, low, high, color=line.colour, alpha=0.13, linewidth=0)
        axes.errorbar(
            line.shots, means, yerr=bars(line.scores), color=line.colour, marker=line.marker,
            linestyle="--" if line.dashed else "-", markersize=5, capsize=3, elinewidth=1,
        )  # fmt: skip
    axes.set_xticks(shots, [str(number) for number in shots])
    axes.minorticks_off()
    _name_ends(axes, lines)


def _dots(axes: Axes, lines: Sequence[Line]) -> None:
    """Draw one number of shots: the methods below each other, best readable as dots."""
    for height, line in enumerate(reversed(lines)):
        axes.errorbar(
            [line.scores[0].mean], [height], xerr=bars(line.scores), color=line.colour,
            marker=line.marker, markersize=7, capsize=4, linestyle="none",
        )  # fmt: skip
        if line.dashed:
            axes.axvline(line.scores[0].mean, color=line.colour, linestyle="--", linewidth=1)
    names = [f"{line.method} (baseline)" if line.dashed else line.method for line in lines]
    axes.set_yticks(range(len(lines)), reversed(names))
    axes.set_ylim(-0.6, max(len(lines) - 0.4, 0.6))


def bars(scores: Sequence[Interval]) -> list[list[float]]:
    """Return how far each interval reaches below and above its mean."""
    # The mean may lie outside its own bootstrap interval by rounding alone.
    below = [max(score.mean - score.low, 0.0) for score in scores]
    return [below, [max(score.high - score.mean, 0.0) for score in scores]]


def _name_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Write each method at the right end of its line, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = sorted(lines, key=lambda line: line.scores[-1].mean)
    shares = [(line.scores[-1].mean - low) / (high - low) for line in ends]
    for line, height in zip(ends, spread(shares, _gap(axes)), strict=True):
        axes.annotate(
            f"{line.method} (baseline)" if line.dashed else line.method,
            xy=(line.shots[-1], line.scores[-1].mean), xytext=(1.04, height),
            textcoords="axes fraction", va="center", color=line.colour, fontsize=10,
            arrowprops={"arrowstyle": "-", "color": line.colour, "linewidth": 0.6, "shrinkB": 5},
        )  # fmt: skip


def _gap(axes: Axes) -> float:
    """Return the height of a line of text as a share of the axes'."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return 0.18 / (figure.get_figheight() * axes.get_position().height)


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


def _label(axes: Axes, blocks: Sequence[Block], shots: Sequence[int]) -> None:
    block = blocks[0]
    where = place(block) if len(shots) == 1 else block.domain
    axes.set_title(f"{where}: target score with 95% interval", loc="left", fontsize=11)
    text = f"target {metric(block)}"
    if len(shots) == 1:
        axes.set_xlabel(text)
    else:
        axes.set_xlabel(_what_shots_are(blocks))
        axes.set_ylabel(text)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if not shots:
        axes.text(0.5, 0.5, "nothing is done yet", ha="center", transform=axes.transAxes)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, the same for the same figure."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.15, "facecolor": "white"}
    figure.savefig(buffer, format="png", metadata={"Software": None}, **options)
    return buffer.getvalue()


def _what_shots_are(blocks: Sequence[Block]) -> str:
    costs = [row.cost for block in blocks if block.shots for row in block.rows if row.cost]
    if costs and not any(cost.get("labels") for cost in costs):
        return "target examples without labels (shots)"
    return "labelled target examples (shots)"

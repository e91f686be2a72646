"""Plots of a report: how many equally weighted source examples the weights are worth."""

from __future__ import annotations

from collections.abc import Mapping

from tlml.reports.score_plot import COLOURS, png
from tlml.reports.summary import Report

Sizes = Mapping[str, list[float]]


def sizes(report: Report, domain: str) -> dict[str, list[float]]:
    """Return the effective sample sizes of the methods that weigh, one for each seed and shots."""
    found: dict[str, list[float]] = {}
    for row in report.scores:
        if row["domain"] == domain and row["effective_sample_size"] is not None:
            found.setdefault(row["method"], []).append(row["effective_sample_size"])
    return found


def plot_sizes(found: Sizes, domain: str) -> bytes:
    """Draw them as a PNG: means as bars, each seed as a dot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 0.45 * len(found) + 1.2), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = list(found)[::-1]
    for height, values in enumerate(found[name] for name in names):
        axes.barh(height, sum(values) / len(values), color=COLOURS[0], alpha=0.45, height=0.6)
        axes.plot(values, [height] * len(values), "o", color=COLOURS[0], markersize=4)
    axes.set_yticks(range(len(found)), names)
    axes.set_xlabel("effective sample size of the weighted source: (Σw)² / Σw²")
    axes.set_title(f"{domain}: what the weights leave of the source", loc="left", fontsize=11)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)

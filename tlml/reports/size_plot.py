"""Plots of a report: how many equally weighted source examples the weights are worth."""

from __future__ import annotations

from collections.abc import Mapping

from tlml.presentation.figure import BLUE, entitle, new_figure, png, tidy
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
    figure = new_figure(height=0.45 * len(found) + 1.2)
    axes = figure.add_subplot()
    names = list(found)[::-1]
    for height, values in enumerate(found[name] for name in names):
        axes.barh(height, sum(values) / len(values), color=BLUE, alpha=0.45, height=0.6)
        axes.plot(values, [height] * len(values), "o", color=BLUE, markersize=4)
    axes.set_yticks(range(len(found)), names)
    axes.set_xlabel("effective sample size of the weighted source: (Σw)² / Σw²")
    entitle(axes, f"{domain}: what the weights leave of the source")
    axes.set_xlim(left=0)
    tidy(axes, grid="x")
    return png(figure)

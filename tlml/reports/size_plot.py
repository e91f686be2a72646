"""Plots of a report: how many equally weighted source examples the weights are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlml.presentation.figure import BLUE, entitle, new_figure, png, tidy

Sizes = Mapping[str, list[float]]


def sizes(scores: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the effective sample sizes of the methods that weigh, one for each seed and point."""
    found: dict[str, list[float]] = {}
    for row in scores:
        if row["effective_sample_size"] is not None:
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

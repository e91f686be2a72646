"""Plots of a report: where training puts source and target examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlml.presentation.figure import BLUE, VERMILION, bare, entitle, new_figure, png
from tlml.suites.results import CELLS, FEATURES, Planned, PlannedFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDES = (("source", BLUE), ("target", VERMILION))
_PANELS = 6  # beside each other


@dataclass(frozen=True, slots=True)
class Panel:
    """What one fit makes of both sides: places in the plane of its own features.

    Args:
        title: The fit.
        x: Places ``[n, 2]``, source first.
        label: Classes ``[n]``.
        source: How many are of the source.
    """

    title: str
    x: np.ndarray[Any, Any]
    label: np.ndarray[Any, Any]
    source: int


def panels(folder: Path, plan: Planned, domain: str) -> list[Panel]:
    """Read the first finished fit of each name; none where no fit of the domain sees the target."""
    own = [fit for fit in plan.fits if fit.domain == domain]
    if all(fit.episode is None for fit in own):
        return []
    found: dict[str, Panel] = {}
    for fit in own:
        if fit.name not in found and (panel := _panel(folder, fit)):
            found[fit.name] = panel
    return list(found.values())[:_PANELS]


def plot_features(found: Sequence[Panel]) -> bytes:
    """Draw the panels as a PNG: above by side, below by class."""
    figure = new_figure(3.1 * len(found), 6.4, constrained=True)
    grid = figure.subplots(2, len(found), squeeze=False)
    for column, panel in enumerate(found):
        _by_side(grid[0, column], panel)
        _by_class(grid[1, column], panel)
        entitle(grid[0, column], panel.title)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2, frameon=False, markerscale=2)
    figure.suptitle("features in their two main directions", x=0.01, ha="left", fontsize=11)
    return png(figure)


def _panel(folder: Path, fit: PlannedFit) -> Panel | None:
    try:
        data = json.loads((folder / CELLS / fit.id / FEATURES).read_bytes())
        x, label = np.asarray(data["x"], float), np.asarray(data["label"], int)
        return Panel(fit.name, x.reshape(-1, 2), label, int(data["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # an older run has none; a report does without


def _by_side(axes: Axes, panel: Panel) -> None:
    parts = (slice(0, panel.source), slice(panel.source, None))
    for (name, colour), part in zip(_SIDES, parts, strict=True):
        _dots(axes, panel.x[part], color=colour, alpha=0.6, linewidths=0, s=6, label=name)
    bare(axes)


def _by_class(axes: Axes, panel: Panel) -> None:
    """Write each target example as its class, over the classes' clouds of the source."""
    from matplotlib import colormaps

    colours = colormaps["tab20" if panel.label.max() >= 10 else "tab10"]
    for kind in np.unique(panel.label):
        own = panel.label == kind
        colour = colours(int(kind) % colours.N)
        source, target = own.copy(), own.copy()
        source[panel.source :] = target[: panel.source] = False
        _dots(axes, panel.x[source], s=6, color=colour, alpha=0.35, linewidths=0)
        _dots(axes, panel.x[target], s=12, color=colour, marker="x", linewidths=0.8)
    bare(axes)
    axes.set_xlabel("dots: source, crosses: target; colours: classes", fontsize=7)


def _dots(axes: Axes, x: np.ndarray[Any, Any], **look: Any) -> None:
    axes.scatter(x[:, 0], x[:, 1], **look)

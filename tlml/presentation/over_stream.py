"""Curves over a stream: the score on each task after each task, a panel for each method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.presentation.figure import DARK, entitle, grid_of, new_figure, png, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_WIDTH, _HEIGHT = 3.4, 2.6  # inches of a panel
_TICKS = 8


def draw_over_stream(
    matrices: Mapping[str, ArrayLike], *, metric: str, axis_label: str, title: str
) -> bytes:
    """Draw how each task is known from its own training on, and the mean of all seen, as a PNG.

    Args:
        matrices: ``[tasks, tasks]`` by method: row t after task t, column j on task j.
        metric: What the numbers are.
        axis_label: What the rows count.
        title: What is seen.
    """
    tables = {name: np.asarray(matrix, float) for name, matrix in matrices.items()}
    count = min(len(tables), _COLUMNS)
    figure = new_figure(
        count * _WIDTH + 0.9, math.ceil(len(tables) / count) * _HEIGHT + 0.8, constrained=True
    )
    panels = grid_of(figure, len(tables), count, share=True)
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        _draw(axes, table)
        entitle(axes, name)
        tidy(axes)
    figure.supxlabel(axis_label, fontsize=10)
    figure.supylabel(metric, fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=9)
    return png(figure)


def _draw(axes: Axes, table: NDArray[np.float64]) -> None:
    from matplotlib import colormaps

    tasks = len(table)
    steps = np.arange(1, tasks + 1)
    # The light end of the colours would be lost on white.
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, tasks))
    named = {0, (tasks - 1) // 2, tasks - 1}
    for task in range(tasks):
        axes.plot(
            steps[task:], table[task:, task], color=shades[task], linewidth=1, marker="o",
            markersize=2.5, label=f"task {task + 1}" if task in named else None,
        )  # fmt: skip
    seen = [table[task, : task + 1].mean() for task in range(tasks)]
    axes.plot(steps, seen, color=DARK, linewidth=2.2, linestyle="--", label="mean of seen")
    axes.set_xticks(steps[:: max(1, math.ceil(tasks / _TICKS))])

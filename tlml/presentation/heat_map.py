"""Heat maps: matrices with their numbers, such as the accuracy on each task after each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.presentation.figure import entitle, grid_of, new_figure, png
from tlml.presentation.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_NUMBERED = 21  # more rows or columns leave no room for numbers: 20 tasks, and before them
_CELL, _LEAST, _MOST = 0.27, 2.2, 5.6  # inches
_MISSING = "#E8E8E8"


def draw_heat_maps(
    matrices: Mapping[str, ArrayLike], *, rows: Sequence[str], columns: Sequence[str],
    row_label: str, column_label: str, metric: str, title: str,
) -> bytes:  # fmt: skip
    """Draw matrices on one scale of colours as a PNG; what is not finite stays grey.

    Args:
        matrices: ``[rows, columns]`` by name, of one shape; one at least.
        rows: What each row is.
        columns: What each column is.
        row_label: What rows are.
        column_label: What columns are.
        metric: What the numbers are; accuracies are coloured from 0 to 1.
        title: What is seen.
    """
    tables = {name: np.asarray(matrix, float) for name, matrix in matrices.items()}
    low, high = _limits(metric, list(tables.values()))
    count = min(len(tables), 3 if len(columns) <= _NUMBERED / 2 else 2)
    figure = new_figure(
        count * (_side(columns) + 0.5) + 0.8,
        math.ceil(len(tables) / count) * (_side(rows) + 0.65) + 0.4,
        constrained=True,
    )
    panels = grid_of(figure, len(tables), count)
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        image = _draw(axes, table, metric, (low, high))
        entitle(axes, name)
        _name(axes, rows, columns)
    figure.supxlabel(column_label, fontsize=10)
    figure.supylabel(row_label, fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.colorbar(image, ax=panels, label=metric, shrink=0.8, aspect=30)
    return png(figure)


def _draw(
    axes: Axes, table: NDArray[np.float64], metric: str, limits: tuple[float, float]
) -> AxesImage:
    axes.set_facecolor(_MISSING)
    image = axes.imshow(np.ma.masked_invalid(table), cmap="viridis", vmin=limits[0], vmax=limits[1])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if max(table.shape) <= _NUMBERED:
        _write(axes, image, table, metric)
    return image


def _write(axes: Axes, image: AxesImage, table: NDArray[np.float64], metric: str) -> None:
    """Write each number into its cell, dark on what is light."""
    size = 8 if max(table.shape) <= _NUMBERED / 2 else 6
    for (row, column), value in np.ndenumerate(table):
        if text := _short(metric, value):
            light = _luminance(image.to_rgba(np.array([value]))[0]) > 0.45
            axes.text(
                column, row, text, ha="center", va="center", fontsize=size,
                color="black" if light else "white",
            )  # fmt: skip


def _short(metric: str, value: float) -> str | None:
    """Write a number in the room of a cell: accuracies with two digits."""
    if metric != "accuracy" or not math.isfinite(value):
        return number(metric, value)
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else text.replace("0.", ".", 1)


def _luminance(colour: Any) -> float:
    return float(np.dot(np.asarray(colour)[:3], (0.299, 0.587, 0.114)))


def _limits(metric: str, tables: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    if metric == "accuracy":
        return 0.0, 1.0
    values = np.concatenate([table[np.isfinite(table)] for table in tables])
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    size = 8 if max(len(rows), len(columns)) <= _NUMBERED else 6
    every = [max(1, math.ceil(len(names) / 25)) for names in (rows, columns)]
    axes.set_yticks(range(0, len(rows), every[0]), rows[:: every[0]], fontsize=size)
    axes.set_xticks(range(0, len(columns), every[1]), columns[:: every[1]], fontsize=size)


def _side(names: Sequence[str]) -> float:
    return min(max(_CELL * len(names), _LEAST), _MOST)

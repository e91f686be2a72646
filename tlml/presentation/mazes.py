"""Mazes with what an agent would do and what it expects, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tlml.presentation.figure import DARK, FRAME, GREEN, SKY, VERMILION, entitle, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"#": DARK, "S": SKY, "G": GREEN, "O": VERMILION}
_SIDE, _TITLES = 0.32, 0.5  # inches of a cell, and above a panel


class Walked(NamedTuple):
    """A maze and what an agent has learned of it.

    Args:
        cells: The map, row by row: ``#`` is a wall, ``S`` a start, ``G`` a goal, ``O`` a pit.
        actions: What the agent does in each cell, in a letter or two; "" where it does nothing.
        values: What it expects from there; None where nothing.
    """

    cells: Sequence[str]
    actions: Sequence[Sequence[str]]
    values: Sequence[Sequence[float | None]]


def draw_mazes(mazes: Mapping[str, Walked], title: str) -> bytes:
    """Draw each maze twice as a PNG: with actions, and with values.

    Args:
        mazes: By name; one at least.
        title: What is seen.
    """
    rows = max(len(maze.cells) for maze in mazes.values())
    columns = max(len(maze.cells[0]) for maze in mazes.values())
    figure = new_figure(
        2 * columns * _SIDE + 0.4, len(mazes) * (rows * _SIDE + _TITLES) + 0.3, constrained=True
    )
    panels = figure.subplots(len(mazes), 2, squeeze=False)
    for (left, right), (name, maze) in zip(panels, mazes.items(), strict=True):
        _draw(left, maze, maze.actions)
        _draw(right, maze, [[_brief(value) for value in row] for row in maze.values])
        entitle(left, f"{name}: what it does")
        entitle(right, "what it expects")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return png(figure)


def _draw(axes: Axes, maze: Walked, texts: Sequence[Sequence[str]]) -> None:
    from matplotlib.patches import Rectangle

    for y, line in enumerate(maze.cells):
        for x, cell in enumerate(line):
            colour = _COLOURS.get(cell, "white")
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor=FRAME, lw=0.5))
            axes.text(x + 0.5, y + 0.5, texts[y][x], ha="center", va="center", fontsize=7)
    axes.set_xlim(0, len(maze.cells[0]))
    axes.set_ylim(len(maze.cells), 0)
    axes.set_aspect("equal")
    axes.axis("off")


def _brief(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"

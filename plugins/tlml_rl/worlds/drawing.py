"""Mazes as images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tlml_rl.worlds.mazes import FREE, GOAL, PIT, START, WALL, Maze

_SIDE = 24  # pixels of a cell
_COLOURS = {
    WALL: (64, 64, 64),
    FREE: (255, 255, 255),
    START: (207, 226, 243),
    GOAL: (147, 196, 125),
    PIT: (204, 65, 37),
}
_LINE, _AGENT = (200, 200, 200), (61, 133, 198)


def draw_cells(maze: Maze, place: int) -> NDArray[np.uint8]:
    """Return an image ``[height, width, 3]`` of a maze, with a disc where the agent is."""
    colours = np.array([[_COLOURS[cell] for cell in row] for row in maze.rows], np.uint8)
    image = colours.repeat(_SIDE, axis=0).repeat(_SIDE, axis=1)
    image[::_SIDE], image[:, ::_SIDE] = _LINE, _LINE
    row, column = (_SIDE * index for index in divmod(place, maze.shape[1]))
    image[row : row + _SIDE, column : column + _SIDE][_disc()] = _AGENT
    return image


def _disc() -> NDArray[np.bool_]:
    along = np.arange(_SIDE) - (_SIDE - 1) / 2
    disc: NDArray[np.bool_] = along[:, None] ** 2 + along**2 < (_SIDE / 3) ** 2
    return disc

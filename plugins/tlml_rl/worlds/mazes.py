"""Mazes drawn as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tlml import TlmlError
from tlml.errors import did_you_mean, shorten

T = TypeVar("T")

_CELLS = WALL, FREE, START, GOAL, PIT = ("#", ".", "S", "G", "O")
ARROWS = "↑→↓←"  # actions: north, east, south, west
CELLS = f"{WALL} wall, {FREE} free, {START} start, {GOAL} goal, {PIT} pit"
# Mazes by name. The first is that of the lecture, which is David Silver's (2015).
MAZES = {
    "lecture": """
        ###########
        ##......###
        #S.##.#.###
        ##..##..###
        ###..#.####
        ##.#.#..###
        ##....#..G#
        ###########
    """,
    # The upper way is closed, and a lower one is open: what was learned of the first half holds.
    "lower": """
        ###########
        ##......###
        #S.##.#.###
        ##..##.####
        ###..#.####
        ##.#.#.####
        ##.......G#
        ###########
    """,
    "cliff": """
        ############
        #..........#
        #..........#
        #..........#
        #SOOOOOOOOG#
        ############
    """,
    "rooms": """
        #############
        #S....#.....#
        #.....#.....#
        #...........#
        #.....#.....#
        #.....#.....#
        ##.####.....#
        #.....###.###
        #.....#.....#
        #.....#.....#
        #...........#
        #.....#....G#
        #############
    """,
}


@dataclass(frozen=True, slots=True)
class Maze:
    """A map of cells, numbered row by row.

    Args:
        rows: Its lines, all of one length.
    """

    rows: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.rows[0])

    def where(self, kind: str) -> NDArray[np.intp]:
        """Return the numbers of all cells of a kind, such as `WALL`."""
        return np.flatnonzero(np.array(list("".join(self.rows))) == kind)

    def in_rows(self, cells: Sequence[T]) -> list[list[T]]:
        """Return what is told of each cell, row by row."""
        rows, columns = self.shape
        return [list(cells[row * columns : (row + 1) * columns]) for row in range(rows)]


def read_maze(text: str) -> Maze:
    """Read a map, or take one by its name.

    Raises:
        TlmlError: There is no such name, a letter is unknown, lines differ in length, or there is
            no start or no goal.
    """
    name = text.strip()
    if "\n" not in name and name not in MAZES and not set(name) <= set(_CELLS):
        raise TlmlError(f"map: no maze is called '{shorten(name)}'{did_you_mean(name, MAZES)}")
    lines = MAZES.get(name, text).splitlines()
    rows = tuple(line.strip() for line in lines if line.strip())
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise TlmlError(
                f"map: line {number} has {len(row)} cells and line 1 has {len(rows[0])}; make all "
                f"lines equally long ({CELLS})"
            )
        unknown = [cell for cell in row if cell not in _CELLS]
        if unknown:
            raise TlmlError(f"map: line {number} holds '{unknown[0]}'; cells are {CELLS}")
    for kind, name in ((START, "start"), (GOAL, "goal")):
        if kind not in "".join(rows):
            raise TlmlError(f"map: it has no {name}, which is written {kind}; cells are {CELLS}")
    return Maze(rows)

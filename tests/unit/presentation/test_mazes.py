"""Mazes: cells, what is done and what is expected."""

from __future__ import annotations

import struct

import pytest

from tlml.presentation.figure import new_figure
from tlml.presentation.mazes import Walked, _brief, _draw, draw_mazes

MAZE = Walked(
    ["S.#", "O.G"], [["→", "↓", ""], ["", "→", ""]], [[-2.0, -1.5, None], [None, 0, None]]
)


def test_every_cell_has_its_colour_and_its_text() -> None:
    axes = new_figure().add_subplot()
    _draw(axes, MAZE, MAZE.actions)
    assert [text.get_text() for text in axes.texts] == ["→", "↓", "", "", "→", ""]
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert len(set(colours)) == 5 and colours[1] == colours[4]
    # Rows go downwards, as they are written.
    assert [text.get_position() for text in axes.texts][3] == (0.5, 1.5)
    assert axes.get_ylim() == (2, 0)


@pytest.mark.parametrize(
    ("value", "text"), [(-14.0, "-14"), (-11.92, "-11.9"), (0.5421, "0.542"), (None, "")]
)
def test_values_are_brief(value: float | None, text: str) -> None:
    assert _brief(value) == text


def test_agents_stand_below_each_other() -> None:
    def size(number: int) -> tuple[int, int]:
        picture = draw_mazes({f"m{n}": MAZE for n in range(number)}, "a maze")
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", picture[16:24])
        return width, height

    one, three = size(1), size(3)
    assert abs(one[0] - three[0]) < 20 and three[1] > 2 * one[1]

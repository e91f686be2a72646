"""Heat maps: readable numbers, one scale, and grey where nothing was measured."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tlml.presentation import draw_heat_maps
from tlml.presentation.figure import new_figure
from tlml.presentation.heat_map import _draw, _limits, _short

NAN = float("nan")


def drawn(tasks: int, methods: int = 1, metric: str = "accuracy") -> tuple[int, int]:
    names = [str(task + 1) for task in range(tasks)]
    matrices = {f"m{i}": np.eye(tasks + 1, tasks) for i in range(methods)}
    picture = draw_heat_maps(
        matrices, rows=["before", *names], columns=names, row_label="after task",
        column_label="on task", metric=metric, title="d",
    )  # fmt: skip
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("tasks", [1, 5, 20, 60])
def test_pictures_are_of_readable_size(tasks: int) -> None:
    width, height = drawn(tasks)
    assert 400 < width < 1400 and 300 < height < 1300


def test_methods_stand_beside_and_below_each_other() -> None:
    one, three, four = (drawn(5, methods) for methods in (1, 3, 4))
    assert three[0] > 2 * one[0]
    assert abs(four[0] - three[0]) < 10 and four[1] > 1.5 * three[1]


@pytest.mark.parametrize(("tasks", "numbers"), [(3, 9), (21, 441), (22, 0)])
def test_numbers_stand_in_cells_where_there_is_room(tasks: int, numbers: int) -> None:
    axes = new_figure().add_subplot()
    _draw(axes, np.full((tasks, tasks), 0.5), "accuracy", (0.0, 1.0))
    assert len(axes.texts) == numbers


def test_what_is_not_finite_has_neither_number_nor_colour() -> None:
    axes = new_figure().add_subplot()
    image = _draw(axes, np.array([[0.1, NAN], [0.9, 1.0]]), "accuracy", (0.0, 1.0))
    assert [text.get_text() for text in axes.texts] == [".10", ".90", "1.0"]
    assert [text.get_color() for text in axes.texts] == ["white", "black", "black"]
    assert np.ma.getmaskarray(image.get_array()).tolist() == [[False, True], [False, False]]


def test_accuracies_are_on_the_whole_scale_and_others_on_their_own() -> None:
    assert _limits("accuracy", [np.array([[0.4]])]) == (0.0, 1.0)
    assert _limits("mse", [np.array([[4.0, NAN]]), np.array([[7.0, 5.0]])]) == (4.0, 7.0)
    assert _limits("mse", [np.array([[NAN]])]) == (0.0, 1.0)


def test_numbers_are_short() -> None:
    texts = [_short("accuracy", value) for value in (0.126, -0.126, 1.0, NAN)]
    assert texts == [".13", "-.13", "1.0", None]
    assert _short("mse", 2.0) == "2.00"

"""Curves over a stream: each task from its own training on, and the mean of all seen."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tlml.presentation import draw_over_stream
from tlml.presentation.figure import new_figure
from tlml.presentation.over_stream import _draw


@pytest.mark.parametrize(("tasks", "methods"), [(1, 1), (2, 2), (20, 4)])
def test_pictures_are_of_readable_size(tasks: int, methods: int) -> None:
    matrices = {f"m{i}": np.eye(tasks) for i in range(methods)}
    picture = draw_over_stream(matrices, metric="accuracy", axis_label="tasks seen", title="d")
    width, height = struct.unpack(">II", picture[16:24])
    assert 500 < width < 1900 and 350 < height < 1100


def test_a_task_is_drawn_from_its_own_training_on() -> None:
    axes = new_figure().add_subplot()
    _draw(axes, np.array([[0.9, 0.1, 0.2], [0.8, 0.9, 0.1], [0.6, 0.7, 0.8]]))
    *tasks, mean = axes.lines
    assert [list(map(float, line.get_ydata())) for line in tasks] == [
        [0.9, 0.8, 0.6], [0.9, 0.7], [0.8]
    ]  # fmt: skip
    assert [list(map(int, line.get_xdata())) for line in tasks] == [[1, 2, 3], [2, 3], [3]]
    assert list(map(float, mean.get_ydata())) == pytest.approx([0.9, 0.85, 0.7])

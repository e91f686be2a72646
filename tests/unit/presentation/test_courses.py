"""Courses: what was measured over the steps of a training."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tlml.presentation.courses import draw_courses, running_mean
from tlml.presentation.figure import looks


@pytest.mark.parametrize("points", [1, 2, 200])
def test_pictures_are_of_readable_size(points: int) -> None:
    course = np.stack([np.arange(points), np.sin(np.arange(points))], axis=1)
    drawn = looks(["naive", "er"], "naive")
    names = {"naive": course, "er": course + 1}
    picture = draw_courses(names, drawn, y_label="alignment", title="d", ends=[50.0])
    width, height = struct.unpack(">II", picture[16:24])
    assert 800 < width < 1500 and 500 < height < 800


def test_a_running_mean_is_over_neighbours() -> None:
    values = np.arange(40.0) ** 2
    smooth = running_mean(values)
    assert len(smooth) == 40
    assert smooth[0] == values[:3].mean()
    assert smooth[7] == values[5:10].mean()
    assert smooth[-1] == values[-3:].mean()
    assert running_mean(values[:19]).tolist() == values[:19].tolist()

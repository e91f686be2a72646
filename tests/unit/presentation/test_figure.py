"""The set-up that all pictures share."""

from __future__ import annotations

import math
import struct

import pytest

from tlml.presentation import Interval
from tlml.presentation.figure import (
    COLOURS,
    MARKERS,
    bare,
    bars,
    grid_of,
    interval_words,
    looks,
    new_figure,
    png,
    tidy,
)


def test_methods_look_different_and_the_baseline_is_dashed() -> None:
    methods = [f"m{i}" for i in range(len(COLOURS) * len(MARKERS) + 1)]
    found = looks(methods, baseline="m3")
    assert len(set(found.values())) == len(methods)
    assert [name for name, look in found.items() if look.dashed] == ["m3"]
    assert looks(["a", "b"], "a")["b"] == looks(["b"], "a")["b"]


def test_panels_go_row_by_row_and_none_is_left_empty() -> None:
    figure = new_figure()
    panels = grid_of(figure, count=4, columns=3)
    assert figure.axes == panels
    assert len(panels) == 4


def test_without_an_interval_there_is_no_bar() -> None:
    below, above = bars([Interval(0.5, float("nan"), float("nan"))])
    assert math.isnan(below[0]) and math.isnan(above[0])
    assert interval_words([Interval(0.5, float("nan"), float("nan"))]) == ""
    assert interval_words([Interval(0.5, 0.4, 0.6)]) == " with 95% interval"


def test_bars_never_reach_back() -> None:
    assert bars([Interval(0.5, 0.5 + 1e-9, 0.5 - 1e-9), Interval(1.0, 0.0, 3.0)]) == [
        [0.0, 1.0], [0.0, 2.0]
    ]  # fmt: skip


def test_a_picture_has_a_hundred_and_fifty_dots_an_inch_and_the_same_bytes() -> None:
    def drawn() -> bytes:
        figure = new_figure(2.0, 1.0)
        tidy(figure.add_subplot())
        return png(figure)

    width, height = struct.unpack(">II", drawn()[16:24])
    assert 240 < width < 400 and 120 < height < 240
    assert drawn() == drawn()


@pytest.mark.parametrize(("dress", "top"), [(tidy, False), (bare, True)])
def test_frames(dress: object, top: bool) -> None:
    axes = new_figure().add_subplot()
    assert callable(dress)
    dress(axes)
    assert axes.spines["top"].get_visible() is top

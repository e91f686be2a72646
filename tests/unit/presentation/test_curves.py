"""Curves: the scale of the axis, and names at the ends of lines."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drawn_scores import made_blocks
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection

from tlml.presentation.curves import draw_curves, spread
from tlml.presentation.figure import new_figure
from tlml.presentation.lines import lines_of


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.3))
def test_names_are_moved_apart_and_no_further(places: list[float], gap: float) -> None:
    places = sorted(places)
    moved = spread(places, gap)
    assert len(moved) == len(places)
    assert all(b - a >= gap * (1 - 1e-9) - 1e-12 for a, b in itertools.pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-9)


@given(st.lists(st.integers(0, 50), unique=True, max_size=8))
def test_names_that_are_apart_stay_where_they_are(places: list[int]) -> None:
    apart = [float(place) for place in sorted(places)]
    assert spread(apart, 0.9) == pytest.approx(apart)


@pytest.mark.parametrize(
    ("places", "scale"),
    [([1, 5], "linear"), ([1, 10], "log"), ([0, 1, 10], "symlog"), ([-5, 50], "linear")],
)
def test_a_wide_axis_is_logarithmic(places: list[int], scale: str) -> None:
    axes = new_figure().add_subplot()
    lines = lines_of(made_blocks(places, ["a"]), ["a"], "a")
    draw_curves(axes, lines, {place: str(place) for place in places})
    assert axes.get_xscale() == scale
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(p) for p in places]


def test_a_thin_line_leads_from_each_end_towards_its_name() -> None:
    axes = new_figure().add_subplot()
    lines = lines_of(made_blocks([1, 5], ["a", "b"]), ["a", "b"], "a")
    draw_curves(axes, lines, {1: "1", 5: "5"})
    own = [one for one in axes.collections if isinstance(one, LineCollection)]
    leaders = np.array(own[-1].get_segments())  # those before are bars
    ends = axes.transData.transform([(5, line.scores[-1].mean) for line in lines])
    gaps = np.linalg.norm(axes.transAxes.transform(leaders[:, 0]) - ends, axis=1)
    assert gaps * 72 / axes.figure.dpi == pytest.approx([5.0, 5.0])  # points
    names = np.array([text.get_position() for text in axes.texts])
    assert leaders[:, 1, 1] == pytest.approx(names[:, 1], abs=0.02)
    assert (leaders[:, 0, 0] < leaders[:, 1, 0]).all()
    assert (leaders[:, 1, 0] < names[:, 0]).all()

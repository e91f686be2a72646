"""Curves: the scale of the axis, and names at the ends of lines."""

from __future__ import annotations

import itertools

import pytest
from drawn_scores import made_blocks
from hypothesis import given
from hypothesis import strategies as st

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

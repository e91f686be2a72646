"""Plots: pictures that hold all names, in colours that stay with their methods."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.reports import Report
from tlml.reports.score_plot import _lines, _what_shots_are, plot, spread
from tlml.reports.summary import Block, Interval, Row
from tlml.suites.results import Cost


def made_report(shots: list[int], methods: list[str], domain: str = "d", **block: Any) -> Report:
    blocks = tuple(
        Block(domain, number, "accuracy", True, tuple(
            Row(method, 1, 1, score=Interval(0.5 + 0.1 * i, 0.4 + 0.1 * i, 0.6 + 0.1 * i))
            for i, method in enumerate(methods)
        ))
        for number in shots
    )  # fmt: skip
    return Report("quick", methods[0], blocks, 1, 1, 0, (), (), ())


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("shots", [[1], [1, 5], [1, 5, 50]])
def test_a_plot_is_a_picture_of_readable_size(shots: list[int]) -> None:
    width, height = size(plot(made_report(shots, ["scratch", "full"]), "d"))
    assert 800 < width < 1600
    assert 500 < height < 900


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_a_long_name_widens_the_picture_and_is_not_cut(shots: list[int]) -> None:
    narrow, _ = size(plot(made_report(shots, ["scratch", "full"]), "d"))
    wide, _ = size(plot(made_report(shots, ["scratch", "full" * 10]), "d"))
    assert wide > narrow + 100


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_many_methods_get_a_taller_picture(shots: list[int]) -> None:
    _, few = size(plot(made_report(shots, ["scratch", "full"]), "d"))
    _, many = size(plot(made_report(shots, [f"method{i}" for i in range(30)]), "d"))
    assert many > few + 300


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([5, 0], "labelled target examples (shots)"),
        ([0, 0], "target examples without labels (shots)"),
        ([], "labelled target examples (shots)"),
    ],
)
def test_shots_without_labels_are_called_so(labels: list[float], text: str) -> None:
    rows = tuple(Row(f"m{i}", 1, 1, cost=Cost(labels=own)) for i, own in enumerate(labels))
    assert _what_shots_are([Block("d", 5, "mse", False, rows)]) == text


def test_no_global_figure_is_left() -> None:
    from matplotlib._pylab_helpers import Gcf

    plot(made_report([1, 5], ["scratch", "full"]), "d")
    assert Gcf.get_all_fig_managers() == []


def test_a_method_keeps_its_colour_where_others_are_missing() -> None:
    whole = made_report([1, 5], ["scratch", "full", "maml"])
    part = made_report([1], ["scratch", "maml"], domain="e")
    both = Report("quick", "scratch", (*whole.blocks, *part.blocks), 1, 1, 0, (), (), ())
    first = {line.method: line.colour for line in _lines(both, whole.blocks)}
    second = {line.method: line.colour for line in _lines(both, part.blocks)}
    assert second == {"scratch": first["scratch"], "maml": first["maml"]}
    assert len(set(first.values())) == 3
    assert [line.dashed for line in _lines(both, whole.blocks)] == [True, False, False]


def test_what_is_missing_or_diverged_is_not_drawn() -> None:
    nan = float("nan")
    rows = (Row("a", 0, 1), Row("b", 1, 1, score=Interval(nan, nan, nan)))
    empty = Report("quick", "a", (Block("d", 1, "mse", False, rows),), 2, 1, 0, (), (), ())
    assert _lines(empty, empty.blocks) == []
    size(plot(empty, "d"))


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

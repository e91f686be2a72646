"""Plots: pictures that hold all names, in colours that stay with their methods."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.presentation import Block, Interval, Row, draw_scores
from tlml.presentation.curves import draw_curves, spread
from tlml.presentation.figure import new_figure
from tlml.presentation.lines import lines_of, ticks_of

Blocks = tuple[Block, ...]


def made_blocks(shots: list[int], methods: list[str], domain: str = "d") -> Blocks:
    return tuple(
        Block(domain, "episodes", {"shots": number}, "accuracy", True, said="", rows=tuple(
            Row(method, 1, 1, score=Interval(0.5 + 0.1 * i, 0.4 + 0.1 * i, 0.6 + 0.1 * i))
            for i, method in enumerate(methods)
        ))
        for number in shots
    )  # fmt: skip


def plot(blocks: Blocks) -> bytes:
    methods = [row.method for row in blocks[0].rows]
    return draw_scores(blocks, methods, methods[0], "labelled target examples (shots)")


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("shots", [[1], [1, 5], [1, 5, 50]])
def test_a_plot_is_a_picture_of_readable_size(shots: list[int]) -> None:
    width, height = size(plot(made_blocks(shots, ["scratch", "full"])))
    assert 800 < width < 1600
    assert 500 < height < 900


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_a_long_name_widens_the_picture_and_is_not_cut(shots: list[int]) -> None:
    narrow, _ = size(plot(made_blocks(shots, ["scratch", "full"])))
    wide, _ = size(plot(made_blocks(shots, ["scratch", "full" * 10])))
    assert wide > narrow + 100


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_many_methods_get_a_taller_picture(shots: list[int]) -> None:
    _, few = size(plot(made_blocks(shots, ["scratch", "full"])))
    _, many = size(plot(made_blocks(shots, [f"method{i}" for i in range(30)])))
    assert many > few + 300


def test_no_global_figure_is_left() -> None:
    from matplotlib._pylab_helpers import Gcf

    plot(made_blocks([1, 5], ["scratch", "full"]))
    assert Gcf.get_all_fig_managers() == []


def test_a_method_keeps_its_colour_where_others_are_missing() -> None:
    whole = made_blocks([1, 5], ["scratch", "full", "maml"])
    part = made_blocks([1], ["scratch", "maml"], domain="e")
    methods = ["scratch", "full", "maml"]
    first = {line.method: line.look.colour for line in lines_of(whole, methods, "scratch")}
    second = {line.method: line.look.colour for line in lines_of(part, methods, "scratch")}
    assert second == {"scratch": first["scratch"], "maml": first["maml"]}
    assert len(set(first.values())) == 3
    dashed = [line.look.dashed for line in lines_of(whole, methods, "scratch")]
    assert dashed == [True, False, False]


def test_what_is_missing_or_diverged_is_not_drawn() -> None:
    nan = float("nan")
    rows = (Row("a", 0, 1), Row("b", 1, 1, score=Interval(nan, nan, nan)))
    empty = (Block("d", "episodes", {"shots": 1}, "mse", False, rows, ""),)
    assert lines_of(empty, ["a", "b"], "a") == []
    size(plot(empty))


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


def test_words_on_the_axis_stand_in_their_order() -> None:
    words = [replace(block, point={"size": word}) for block, word in
             zip(made_blocks([1, 5], ["a", "b"]), ("small", "large"), strict=True)]  # fmt: skip
    assert ticks_of(words) == {0: "small", 1: "large"}
    assert ticks_of(made_blocks([1, 5], ["a"])) == {1: "1", 5: "5"}
    size(plot(tuple(words)))


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

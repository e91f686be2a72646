"""One figure against another, a point for each method."""

from __future__ import annotations

import struct

from tlml.presentation import Interval, draw_scatter
from tlml.presentation.figure import looks

NAN = float("nan")


def drawn(*names: str) -> tuple[int, int]:
    points = {
        name: (Interval(-0.1 * i, NAN, NAN), Interval(0.5, 0.4, 0.6))
        for i, name in enumerate(names)
    }
    picture = draw_scatter(
        {**points, "lost": (Interval(NAN, NAN, NAN), Interval(0.5, 0.4, 0.6))},
        looks([*names, "lost"], "a"), x_label="BTI", y_label="RA", title="d", zero=True,
    )  # fmt: skip
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_names_stand_beside_the_picture_and_are_not_cut() -> None:
    assert drawn("a", "b" * 60)[0] > drawn("a", "b")[0] + 300


def test_what_has_no_x_is_a_level_by_its_name() -> None:
    def width(name: str, mean: float) -> int:
        picture = draw_scatter(
            {"a": (Interval(0.1, NAN, NAN), Interval(0.5, 0.4, 0.6))}, looks(["a", name], "a"),
            x_label="BTI", y_label="RA", title="d", levels={name: Interval(mean, NAN, NAN)},
        )  # fmt: skip
        found: int = struct.unpack(">I", picture[16:20])[0]
        return found

    assert width("b" * 60, 0.9) > width("b", 0.9) + 300
    assert width("b" * 60, NAN) < width("b" * 60, 0.9) - 300

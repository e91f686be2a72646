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

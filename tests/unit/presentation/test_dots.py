"""Dots: one line of height for each method, the baseline across all."""

from __future__ import annotations

from presented import block, row

from tlml.presentation.dots import draw_dots
from tlml.presentation.figure import new_figure
from tlml.presentation.lines import lines_of


def test_methods_stand_below_each_other_in_their_order() -> None:
    axes = new_figure().add_subplot()
    lines = lines_of([block(row("scratch", 0.4), row("full", 0.6))], ["scratch", "full"], "scratch")
    draw_dots(axes, lines)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["full", "scratch (baseline)"]
    dots = {float(line.get_xdata()[0]) for line in axes.lines if line.get_markersize() == 7}
    assert dots == {0.4, 0.6}


def test_only_the_baseline_is_drawn_across() -> None:
    axes = new_figure().add_subplot()
    draw_dots(axes, lines_of([block(row("full"))], ["scratch", "full"], "scratch"))
    assert not [line for line in axes.lines if line.get_linestyle() == "--"]

"""What is drawn of each method."""

from __future__ import annotations

from dataclasses import replace

from drawn_scores import made_blocks, plot, size

from tlml.presentation import Block, Interval, Row
from tlml.presentation.lines import lines_of, ticks_of


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


def test_words_on_the_axis_stand_in_their_order() -> None:
    words = [replace(block, point={"size": word}) for block, word in
             zip(made_blocks([1, 5], ["a", "b"]), ("small", "large"), strict=True)]  # fmt: skip
    assert ticks_of(words) == {0: "small", 1: "large"}
    assert ticks_of(made_blocks([1, 5], ["a"])) == {1: "1", 5: "5"}
    size(plot(tuple(words)))


def test_shares_stand_in_their_order_beside_numbers() -> None:
    made = made_blocks([1, 5, 9], ["a"])
    shares = [
        replace(made[1], point={"shots": 0.5}, tick="50%"),
        replace(made[2], point={"shots": "all"}),
    ]
    assert ticks_of([made[0], *shares]) == {0: "1", 1: "50%", 2: "all"}
    size(plot((made[0], *shares)))

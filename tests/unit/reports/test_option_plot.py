"""The score against an option: methods that differ in one numeric option alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from presented import PNG
from presented import score as row

from tlml.presentation.rows import Interval
from tlml.reports.option_plot import Curve, curves, plot_curve, tuned_curves
from tlml.suites.description import EPISODES, Description


def test_three_values_of_an_option_make_a_curve() -> None:
    rows = [
        row(f"m{n}", n / 10, options={"frozen": n, "lr": 0.1}, seed=seed)
        for n in range(3) for seed in range(2)
    ]  # fmt: skip
    (curve,) = curves([*rows, row("other", 0.5, strategy="full")])
    assert (curve.owner, curve.option, curve.metric) == ("freeze", "frozen", "target accuracy")
    means = {value: interval.mean for value, interval in curve.scores[1].items()}
    assert {value: round(mean, 6) for value, mean in means.items()} == {0: 0.1, 1: 0.2, 2: 0.3}
    assert plot_curve(curve, "d", EPISODES).startswith(PNG)


def test_what_differs_otherwise_is_no_curve() -> None:
    two = [row(f"m{n}", 0.1, options={"frozen": n}) for n in range(2)]
    assert curves(two) == []
    fits = [row(f"m{n}", 0.1, options={"frozen": n}, fit=f"f{n}") for n in range(3)]
    assert curves(fits) == []
    both = [row(f"m{n}", 0.1, options={"frozen": n, "lr": n / 10}) for n in range(3)]
    assert curves(both) == []
    words = [row(f"m{n}", 0.1, options={"optimizer": str(n)}) for n in range(3)]
    assert curves(words) == []


TRIED = [
    {"options": {"lr": lr, "steps": steps}, "risk": -(lr + steps / 100)}
    for lr in (0.01, 0.1, 1.0) for steps in (1, 2)
]  # fmt: skip


def test_what_a_method_chose_from_is_drawn_by_its_best_choice_with_a_value() -> None:
    tuned = {"tried": TRIED, "chosen_by": "validation tasks", "higher_is_better": True}
    other = [{**one, "risk": one["risk"] - 0.2} for one in TRIED]
    rows = [row("m", 0.1, **tuned), row("m", 0.1, **{**tuned, "tried": other})]
    (curve,) = tuned_curves([*rows, row("m (oracle)", 0.1, **tuned), row("plain", 0.5)])
    assert (curve.owner, curve.option) == ("m", "lr")  # two numbers of steps are no curve
    assert curve.metric == "accuracy on validation tasks"
    spans = {value: (span.low, span.high) for value, span in curve.scores[1].items()}
    assert {value: (round(a, 3), round(b, 3)) for value, (a, b) in spans.items()} == {
        0.01: (0.03, 0.23), 0.1: (0.12, 0.32), 1.0: (1.02, 1.22),
    }  # fmt: skip
    assert plot_curve(curve, "d", EPISODES).startswith(PNG)


def test_choices_that_diverged_have_no_place_in_a_curve() -> None:
    tried = [{"options": {"lr": lr}, "risk": risk} for lr, risk in enumerate([1, 2, 3, math.inf])]
    rows = [row("m", 0.1, tried=tried, chosen_by="entropy", higher_is_better=True)]
    (curve,) = tuned_curves(rows)
    assert [*curve.scores[1]] == [0, 1, 2] and curve.metric == "risk by entropy"


def test_what_was_chosen_is_no_axis_of_a_comparison() -> None:
    rows = [
        row(f"m{n}", 0.1, options={"lr": n, "strategy.lr": n, "frozen": n},
            tried=[{"options": {"strategy.lr": n}, "risk": 1.0}])
        for n in range(3)
    ]  # fmt: skip
    assert [curve.option for curve in curves(rows)] == ["frozen"]


@pytest.mark.parametrize("first", [None, "all", True])
def test_only_numbers_of_what_was_tried_have_a_place(first: Any) -> None:
    ranks = [first, 1, 2, 4, math.inf, None, "all"]
    tried = [{"options": {"rank": rank}, "risk": 0.5} for rank in ranks]
    tried.append({"options": {"lr": 0.1}, "risk": 0.1})
    about = {"chosen_by": "validation tasks", "higher_is_better": True}
    (curve,) = tuned_curves([row("m", 0.1, tried=tried, **about)])
    assert (curve.option, [*curve.scores[1]]) == ("rank", [1, 2, 4])


def test_options_that_are_no_number_everywhere_are_compared_where_they_are() -> None:
    rows = [row(f"m{n}", 0.1, options={"rank": n}) for n in (None, "all", 1, 2, 3)]
    (curve,) = curves(rows)
    assert [*curve.scores[1]] == [1, 2, 3]


def test_places_are_in_the_order_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    shown = EPISODES.model_copy()
    said = Description.said
    monkeypatch.setattr(Description, "said", lambda own, v: drawn.append(str(v)) or said(own, v))
    places: list[Any] = ["all", 0.5, 5, 1]
    scores = {place: {n: Interval(0.1, 0.1, 0.1) for n in (1, 2, 3)} for place in places}
    assert plot_curve(Curve("full", "lr", "accuracy", scores), "d", shown).startswith(PNG)
    assert drawn == ["1", "5", "0.5", "all"]

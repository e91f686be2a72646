"""The score against an option: methods that differ in one numeric option alone."""

from __future__ import annotations

from presented import PNG
from presented import score as row

from tlml.reports.option_plot import curves, plot_curve
from tlml.suites.description import EPISODES


def test_three_values_of_an_option_make_a_curve() -> None:
    rows = [
        row(f"m{n}", n / 10, options={"frozen": n, "lr": 0.1}, seed=seed)
        for n in range(3) for seed in range(2)
    ]  # fmt: skip
    (curve,) = curves([*rows, row("other", 0.5, strategy="full")])
    assert (curve.strategy, curve.option, curve.metric) == ("freeze", "frozen", "accuracy")
    means = {value: interval.mean for value, interval in curve.scores[1].items()}
    assert {value: round(mean, 6) for value, mean in means.items()} == {0: 0.1, 1: 0.2, 2: 0.3}
    assert plot_curve(curve, "d", EPISODES.said).startswith(PNG)


def test_what_differs_otherwise_is_no_curve() -> None:
    two = [row(f"m{n}", 0.1, options={"frozen": n}) for n in range(2)]
    assert curves(two) == []
    fits = [row(f"m{n}", 0.1, options={"frozen": n}, fit=f"f{n}") for n in range(3)]
    assert curves(fits) == []
    both = [row(f"m{n}", 0.1, options={"frozen": n, "lr": n / 10}) for n in range(3)]
    assert curves(both) == []
    words = [row(f"m{n}", 0.1, options={"optimizer": str(n)}) for n in range(3)]
    assert curves(words) == []

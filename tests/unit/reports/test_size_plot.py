"""Effective sample sizes: a bar for each method that weighs."""

from __future__ import annotations

from presented import PNG, score

from tlml.reports.size_plot import plot_sizes, sizes


def test_methods_that_weigh_have_a_bar() -> None:
    weighed = [score("kmm", 0.1, effective_sample_size=size) for size in (10.0, 20.0)]
    found = sizes([*weighed, score("plain", 0.1)])
    assert found == {"kmm": [10.0, 20.0]}
    assert sizes([score("plain", 0.1)]) == {}
    assert plot_sizes(found, "d").startswith(PNG)

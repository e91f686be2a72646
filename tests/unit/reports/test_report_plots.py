"""Pictures of a report beside its scores: features, effective sample sizes, options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tlml.reports import Report
from tlml.reports.feature_plot import panels, plot_features
from tlml.reports.option_plot import curves, plot_curve
from tlml.reports.size_plot import plot_sizes, sizes
from tlml.suites.results import Planned

PNG = b"\x89PNG\r\n\x1a\n"


def row(method: str, score: float, **more: Any) -> dict[str, Any]:
    return {
        "domain": "d", "method": method, "protocol": "episodes", "point": {"shots": 1}, "seed": 0,
        "fit": "pre", "strategy": "freeze", "options": {}, "chosen_by": None,
        "units": [0, 1], "scores": [score, score + 0.2], "metric": "accuracy",
        "effective_sample_size": None, **more,
    }  # fmt: skip


def report(*rows: dict[str, Any]) -> Report:
    return Report("quick", "a", (), len(rows), len(rows), 0, (), (), rows)


# Options


def test_three_values_of_an_option_make_a_curve() -> None:
    rows = [
        row(f"m{n}", n / 10, options={"frozen": n, "lr": 0.1}, seed=seed)
        for n in range(3) for seed in range(2)
    ]  # fmt: skip
    (curve,) = curves(report(*rows, row("other", 0.5, strategy="full")), "d")
    assert (curve.strategy, curve.option, curve.metric) == ("freeze", "frozen", "accuracy")
    means = {value: interval.mean for value, interval in curve.scores[1].items()}
    assert {value: round(mean, 6) for value, mean in means.items()} == {0: 0.1, 1: 0.2, 2: 0.3}
    assert plot_curve(curve, "d").startswith(PNG)


def test_what_differs_otherwise_is_no_curve() -> None:
    two = [row(f"m{n}", 0.1, options={"frozen": n}) for n in range(2)]
    assert curves(report(*two), "d") == []
    fits = [row(f"m{n}", 0.1, options={"frozen": n}, fit=f"f{n}") for n in range(3)]
    assert curves(report(*fits), "d") == []
    both = [row(f"m{n}", 0.1, options={"frozen": n, "lr": n / 10}) for n in range(3)]
    assert curves(report(*both), "d") == []
    words = [row(f"m{n}", 0.1, options={"optimizer": str(n)}) for n in range(3)]
    assert curves(report(*words), "d") == []


# Sizes


def test_methods_that_weigh_have_a_bar() -> None:
    weighed = [row("kmm", 0.1, effective_sample_size=size) for size in (10.0, 20.0)]
    found = sizes(report(*weighed, row("plain", 0.1)), "d")
    assert found == {"kmm": [10.0, 20.0]}
    assert sizes(report(row("plain", 0.1)), "d") == {}
    assert plot_sizes(found, "d").startswith(PNG)


# Features


def planned(*episodes: int | None) -> Planned:
    fits = [
        {"id": f"f{n}", "name": f"fit{n}", "domain": "d", "seed": 0, "episode": episode}
        for n, episode in enumerate(episodes)
    ]
    return Planned(
        name="quick", baseline="a", methods=["a"], domains=["d"], fits=fits, adapts=[], refused=[]
    )


def write(folder: Path, id: str, text: str | None = None) -> None:
    place = folder / "cells" / id
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(9, 2)).tolist(), "label": [0, 1, 2] * 3, "source": 5}
    (place / "features.json").write_text(json.dumps(data) if text is None else text)


def test_fits_are_drawn_beside_each_other_where_one_sees_the_target(tmp_path: Path) -> None:
    for id in ("f0", "f1"):
        write(tmp_path, id)
    found = panels(tmp_path, planned(None, 0), "d")
    assert [panel.title for panel in found] == ["fit0", "fit1"]
    assert found[0].x.shape == (9, 2)
    assert plot_features(found).startswith(PNG)
    assert panels(tmp_path, planned(None, None), "d") == []
    assert panels(tmp_path, planned(None, 0), "elsewhere") == []


def test_what_is_missing_or_damaged_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "f0", "{")
    write(tmp_path, "f1", '{"x": 3}')
    write(tmp_path, "f2")
    found = panels(tmp_path, planned(0, 0, 0, 0), "d")
    assert [panel.title for panel in found] == ["fit2"]

"""Features of source and target: a panel for each fit where one sees the target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from presented import PNG
from result_folders import id_of

from tlml.reports.feature_plot import panels, plot_features
from tlml.suites.results import Planned


def planned(*episodes: int | None) -> Planned:
    fits = [
        {"id": id_of(f"f{n}"), "name": f"fit{n}", "domain": "d", "seed": 0, "episode": episode}
        for n, episode in enumerate(episodes)
    ]
    return Planned(
        name="quick", baseline="a", methods=["a"], domains=["d"], fits=fits, adapts=[], refused=[]
    )


def write(folder: Path, id: str, text: str | None = None) -> None:
    place = folder / "cells" / id_of(id)
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

"""Features of source and target in a plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tiny import MLP, Letters, Tables

import tlml
from tlml import Batch, PairView
from tlml.suites.inside import feature_plane
from tlml.suites.inside.feature_plane import write_projection


def written(domain: Any, folder: Path, **options: Any) -> dict[str, Any] | None:
    given = {"shots": 1, "queries": 2, "unlabelled": True} | options
    view = PairView(domain, batch_size=4, **given)
    learner: Any = tlml.learner("supervised", **MLP)
    learner.meet(view.spaces)
    view.setup("fit")
    write_projection(learner, view, folder / "features.json")
    path = folder / "features.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_both_sides_are_there_with_their_classes(tmp_path: Path) -> None:
    found = written(Tables(classes=2, train=24, test=12), tmp_path)
    assert found is not None
    assert len(found["x"]) == len(found["label"]) > found["source"] > 0
    assert {len(point) for point in found["x"]} == {2}
    assert set(found["label"]) == {0, 1}


def test_other_labels_and_values_have_no_picture(tmp_path: Path) -> None:
    assert written(Letters(), tmp_path) is None
    assert written(Tables(train=24, test=12), tmp_path) is None


def test_many_examples_are_thinned_out_evenly() -> None:
    batch = Batch(torch.arange(1000.0)[:, None], torch.arange(1000))
    some = feature_plane._some(batch)
    assert len(some.x) == feature_plane.EXAMPLES
    assert (some.y[0], some.y[-1]) == (0, 999)
    assert len(feature_plane._some(Batch(batch.x[:5], batch.y[:5])).x) == 5

"""A diagnosis against a test on the same episodes, and against a loop written out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from diagnosed import CONV, STEPS, cases, last_steps, maml, small
from tiny import Letters, Tables

import tlml
from tlml import EpisodeView, TlmlError


def test_validation_episodes_can_be_looked_at_too() -> None:
    learner, view = cases()["values"]
    on = {split: tlml.diagnose(learner, view, 2, split=split) for split in ("validation", "target")}
    view.split = "validation"
    assert on["validation"].curve.equals(tlml.diagnose(learner, view, 2).curve)
    assert not on["validation"].curve.equals(on["target"].curve)


def test_what_only_trains_the_head_reuses_the_features() -> None:
    learner, _ = cases()["values"]
    probe = tlml.strategy("linear_probe", steps=4)
    view = EpisodeView(Tables(), shots=4, queries=6, adapt=probe)
    found = tlml.diagnose(learner, view, 3)
    layers = found.layers.set_index("layer")
    assert layers.loc["body", ["cka", "cka_debiased"]].tolist() == pytest.approx([1.0, 1.0])
    assert layers.loc["body", "relative_change"] == 0.0
    assert layers.loc["head", "relative_change"] > 0.01
    assert found.strategy == "LinearProbe"
    whole = tlml.diagnose(learner, EpisodeView(Tables(), shots=4, queries=6), 3).curve
    own = found.curve
    starts = [curve[curve["step"] == 0] for curve in (own, whole)]
    assert (starts[0]["support_loss"].to_numpy() == starts[1]["support_loss"].to_numpy()).all()
    assert (starts[0]["gradient_norm"].to_numpy() < starts[1]["gradient_norm"].to_numpy()).all()


def test_it_leaves_the_learner_alone_where_it_fails() -> None:
    learner, _ = cases()["values"]
    learner.train()
    with pytest.raises(TlmlError, match="11 shots and 4 queries"):
        tlml.diagnose(learner, EpisodeView(Tables(), shots=11, queries=4), 1)
    assert learner.training


def test_it_works_in_inference_mode_on_data_that_was_made_there() -> None:
    learner, view = cases()["batchnorm"]
    expected = tlml.diagnose(learner, view, 2).curve
    with torch.inference_mode():
        pool = view.domain.classes("target")
    view.domain.classes = lambda split: pool  # type: ignore[method-assign]
    with torch.inference_mode(), torch.no_grad():
        assert tlml.diagnose(learner, view, 2).curve.equals(expected)


def test_the_curve_is_tidy() -> None:
    learner, view = cases()["batchnorm"]
    curve = tlml.diagnose(learner, view, 3).curve
    assert list(curve) == [
        "episode", "step", "support_loss", "support_accuracy", "query_loss", "query_accuracy",
        "gradient_norm",
    ]  # fmt: skip
    assert curve["episode"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert curve["step"].tolist() == [0, 1, 2] * 3
    assert curve["gradient_norm"].isna().tolist() == [False, False, True] * 3


def test_the_summary_holds_means_and_intervals_over_episodes() -> None:
    learner, view = cases()["values"]
    found = tlml.diagnose(learner, view, 8)
    summary = found.summary()
    assert list(summary) == ["step", "quantity", "mean", "low", "high"]
    rows = summary.set_index(["quantity", "step"])
    values = found.curve[found.curve["step"] == 2]["query_loss"]
    mean, low, high = rows.loc[("query_loss", 2)]
    assert mean == pytest.approx(values.mean())
    assert values.min() < low < mean < high < values.max()
    assert ("gradient_norm", STEPS - 1) in rows.index
    assert ("gradient_norm", STEPS) not in rows.index
    assert summary.equals(found.summary())


def test_one_episode_has_means_and_no_interval() -> None:
    learner, view = cases()["values"]
    summary = tlml.diagnose(learner, view, 1).summary()
    assert summary["mean"].notna().all()
    assert summary[["low", "high"]].isna().all(axis=None)


def test_what_diverges_is_shown_as_such(tmp_path: Path) -> None:
    learner = maml(small(), strategy=tlml.strategy("sgd", lr=1e12, steps=6))
    found = tlml.diagnose(learner, EpisodeView(Tables(), shots=4, queries=6), 2)
    after = last_steps(found)
    assert not np.isfinite(after["query_loss"]).any()
    rows = found.summary().set_index(["quantity", "step"])
    assert math.isfinite(rows.loc[("query_loss", 0), "mean"])
    assert found.layers["cka"].isna().all()
    assert len(found.write(tmp_path)) == 6


def test_a_head_of_zeros_has_nothing_to_be_compared_with() -> None:
    learner, view = cases()["new head"]
    layers = tlml.diagnose(learner, view, 2).layers.set_index("layer")
    assert layers.loc["head", ["cka", "relative_change"]].isna().all()
    assert layers.loc["body"].drop(["rate_mean", "rate_min", "rate_max"]).notna().all()


def test_scalars_are_the_finite_means_before_and_after() -> None:
    learner, view = cases()["new head"]
    found = tlml.diagnose(learner, view, 2)
    scalars = found.scalars()
    curve = found.curve.groupby("step").mean()
    assert scalars["query_accuracy_before"] == pytest.approx(curve["query_accuracy"].iloc[0])
    assert scalars["query_accuracy_after"] == pytest.approx(curve["query_accuracy"].iloc[-1])
    assert scalars["gradient_norm_after"] == pytest.approx(curve["gradient_norm"].iloc[-2])
    assert scalars["cka/body"] == pytest.approx(found.layers["cka"].iloc[0])
    assert "cka/head" not in scalars
    assert "rate_mean/body" not in scalars
    assert all(math.isfinite(value) for value in scalars.values())


def test_tables_and_pictures_are_written_whole_and_replaced(tmp_path: Path) -> None:
    learner, view = cases()["values"]
    folder = tmp_path / "new" / "diagnosis"
    tlml.diagnose(learner, view, 1).write(folder)
    found = tlml.diagnose(learner, view, 3)
    names = ["curve.csv", "layers.csv", "summary.csv", "curve.png", "gradients.png", "layers.png"]
    assert found.write(folder) == [folder / name for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "curve.csv"), found.curve)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "layers.csv"), found.layers)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "summary.csv"), found.summary())


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    learner, view = cases()["values"]
    with pytest.raises(TlmlError, match=r"file: cannot be written .*; choose another path"):
        tlml.diagnose(learner, view, 1).write(tmp_path / "file")


def test_a_view_without_episodes_is_refused() -> None:
    view = tlml.PairView(Tables(3))
    with pytest.raises(TlmlError, match=r"needs an EpisodeView, .* and this is a PairView; make"):
        tlml.diagnose(maml(small()), view)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episodes": 0}, "episodes: must be greater than 0, is 0"),
        ({"split": "train"}, "split: 'train' is not one of source, validation, target"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TlmlError, match=message):
        tlml.diagnose(maml(small()), EpisodeView(Tables()), **options)


def test_a_learner_that_is_not_built_or_for_other_inputs_is_refused() -> None:
    learner = tlml.learner("maml", **CONV)
    with pytest.raises(TlmlError, match=r"the network 'conv4' is not built yet"):
        tlml.diagnose(learner, EpisodeView(Tables()))
    learner.view(Letters(shape=(1, 6, 6)), ways=3)
    with pytest.raises(TlmlError, match=r"was built for inputs .*; the view's are Box"):
        tlml.diagnose(learner, EpisodeView(Letters(), ways=3))

"""Fits that start from another fit of the suite: features that it learned, and a stream on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import tlml
from tlml.registry import default_registry
from tlml.suites import FitCell, Plan, load_suite, plan, read_results, run_suite

SUITE: dict[str, Any] = {
    "name": "started",
    "seeds": 1,
    "domains": {
        "rotated_digits": {
            "stream": {"tasks": 2, "samples": 100},
            "options": {"size": 8, "source": [0, 90], "validation": [45, 135]},
            "view": {"batch_size": 10},
            "learner": {"network": "mlp", "network_options": {"hidden": [16]}},
        }
    },
    "fits": {
        "ncm": {"learner": "ncm", "fit": "er"},
        "ranpac": {
            "learner": "ranpac", "fit": "er", "options": {"projection": 20},
            "tune": {"learner.ridge": {"values": [1.0, 100.0]}},
        },
        "er": {
            "learner": "er", "options": {"lr": 0.2, "memory_size": 20, "replay": 10},
            "view": {"epochs": 4},
        },
    },
    "methods": {"er": {"fit": "er"}, "ncm": {"fit": "ncm"}, "ranpac": {"fit": "ranpac"}},
}  # fmt: skip

Made = tuple[Plan, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("started")
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(SUITE))
    found = plan(load_suite(path), default_registry())
    assert run_suite(found, folder / "out", jobs=1) == []
    return found, folder / "out"


def fit_of(made: Made, name: str) -> FitCell:
    (cell,) = [fit for fit in made[0].fits if fit.name == name]
    return cell


def body_of(checkpoint: Path) -> torch.Tensor:
    return torch.cat([p.flatten() for p in tlml.load(checkpoint).network.blocks.parameters()])


def cell_of(made: Made, name: str) -> Path:
    return made[1] / "cells" / fit_of(made, name).id


@pytest.mark.parametrize("name", ["ncm", "ranpac"])
def test_a_learner_of_features_has_those_of_the_fit_that_it_starts_from(
    made: Made, name: str
) -> None:
    learned = body_of(cell_of(made, "er") / "last.ckpt")
    assert torch.equal(body_of(cell_of(made, name) / "last.ckpt"), learned)


def test_its_options_are_chosen_on_these_features(made: Made) -> None:
    learned = body_of(cell_of(made, "er") / "last.ckpt")
    choices = sorted(cell_of(made, "choice for ranpac").glob("choice-*/last.ckpt"))
    assert len(choices) == 2
    assert all(torch.equal(body_of(path), learned) for path in choices)


def test_each_has_a_record_of_the_stream(made: Made) -> None:
    found, out = made
    records = read_results(out).records
    scores = {cell.method: records[cell.id][0].scores for cell in found.adapts}
    assert all(len(own) == 2 and sum(own) / 2 > 0.3 for own in scores.values()), scores
    assert len({tuple(own) for own in scores.values()}) == 3


def test_features_that_are_not_there_any_more_are_made_anew(made: Made) -> None:
    found, out = made
    ncm = fit_of(made, "ncm").id
    before = (out / "cells" / ncm / "result.json").read_text()
    (cell_of(made, "er") / "last.ckpt").write_bytes(b"damaged")
    for name in ("result.json", "last.ckpt"):
        (out / "cells" / ncm / name).unlink()
    assert run_suite(found, out, jobs=1) == []
    after = (out / "cells" / ncm / "result.json").read_text()
    assert yaml.safe_load(after)["R"] == yaml.safe_load(before)["R"]

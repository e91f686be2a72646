"""Runs one cell of a suite: a fit, or an adaptation to target episodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml

from tlml.files import make_folder, write_atomic
from tlml.learners.adapter import adapter_for
from tlml.suites.adapt import run_adapt
from tlml.suites.fit import check_tuning, run_fit
from tlml.suites.ingredients import (
    Report,
    make_domain,
    make_learner,
    make_strategy,
    make_training_view,
    quiet,
    trainer_options,
)
from tlml.views.episode import EpisodeView


def check_cell(config: dict[str, Any]) -> None:
    """Make everything that a cell is made of, so that wrong values show before the first run.

    Raises:
        TlmlError: Something can't be made.
    """
    domain, learner = make_domain(config), make_learner(config)
    if config["kind"] == "fit":
        view = make_training_view(config, learner, domain)
        view.setup("fit")
        learner.check(view)
        check_tuning(config, learner, view)
        pl.Trainer(**trainer_options(config), logger=False, enable_checkpointing=False)
        return
    adapt = make_strategy(config["strategy"], config["strategy_options"])
    test = EpisodeView(domain, **config["view"], adapt=adapt, head=config["head"])
    test.setup("test")
    learner.meet(test.test_spaces)
    adapter_for(learner, test)  # attaches the strategy to the network


def run_cell(cell: dict[str, Any], folder: Path, checkpoints: list[Path], report: Report) -> None:
    """Run a cell and write its ``config.yaml`` first and its ``result.json`` last."""
    config = cell["config"]
    make_folder(folder)
    write_atomic(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    with quiet():
        if config["kind"] == "fit":
            found = run_fit(config, folder, report)
        else:
            found = run_adapt(config, checkpoints, report)
    own = {key: value for key, value in cell.items() if key != "config"}
    text = json.dumps({"kind": config["kind"], **own, **found}, indent=1)
    write_atomic(folder / "result.json", text + "\n")

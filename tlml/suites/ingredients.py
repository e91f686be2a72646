"""What the cells of a suite are made of, and how a Trainer runs them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from tlml import make
from tlml.learners.learner import Learner
from tlml.registry.registry import default_registry
from tlml.strategies.strategy import Strategy
from tlml.views.base import View

Report = Callable[[float], None]  # takes the share of a cell that is done


def make_domain(config: dict[str, Any]) -> Any:
    """Make the domain of a cell."""
    return make.domain(config["domain"], **config["domain_options"])


def make_strategy(name: str | None, options: dict[str, Any]) -> Strategy | None:
    """Make a strategy, if one is named."""
    return None if name is None else make.strategy(name, **options)


def make_learner(config: dict[str, Any]) -> Learner:
    """Make the learner of a cell, untrained and without a network."""
    options = dict(config["options"])
    if config["kind"] == "fit" and config["strategy"] is not None:
        options["strategy"] = make_strategy(config["strategy"], config["strategy_options"])
    takes = inspect.signature(default_registry().resolve("learner", config["learner"])).parameters
    if "seed" in takes or any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        options["seed"] = config["seed"]
    made: Learner = make.learner(config["learner"], **options)
    return made


def make_training_view(config: dict[str, Any], learner: Learner, domain: Any) -> View:
    """Make the view of a fit, and build the learner's network for it."""
    takes = inspect.signature(learner.view_type.__init__).parameters
    defaults = {k: v for k, v in config["view_defaults"].items() if k in takes}
    return learner.view(domain, **{**defaults, **config["view"]}, seed=config["seed"])


def trainer_options(config: dict[str, Any]) -> dict[str, Any]:
    """Return those of a cell: one process, as a suite runs several cells side by side."""
    return {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, **config["trainer"]}


def part_of(report: Report, number: int, of: int) -> Report:
    """Return what reports the shares of one part out of some of equal length."""
    return lambda share: report((number + share) / of)


class Progress(Callback):
    """Reports the share of a fit or a test that is done."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Report a fit's share, by its optimiser steps."""
        total = trainer.estimated_stepping_batches
        self.report(min(trainer.global_step / total, 1.0) if total > 0 else 0.0)

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Report a test's share, by its episodes."""
        self.report((batch_idx + 1) / max(trainer.num_test_batches[0], 1))

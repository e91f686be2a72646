"""What the cells of a suite are made of, and how a Trainer runs them."""

from __future__ import annotations

import inspect
import itertools
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

import tlml
from tlml.errors import TlmlError
from tlml.learners import Learner
from tlml.registry import default_registry
from tlml.strategies import Strategy
from tlml.views import View

Report = Callable[[float], None]  # takes the share of a cell that is done
_TUNING_VALUES = 5
_QUIET = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")


def make_domain(config: dict[str, Any]) -> Any:
    """Make the domain of a cell."""
    return tlml.domain(config["domain"], **config["domain_options"])


def make_strategy(name: str | None, options: dict[str, Any]) -> Strategy | None:
    """Make a strategy, if one is named."""
    return None if name is None else tlml.strategy(name, **options)


def make_learner(config: dict[str, Any]) -> Learner:
    """Make the learner of a cell, untrained and without a network."""
    options = dict(config["options"])
    if config["kind"] == "fit" and config["strategy"] is not None:
        options["strategy"] = make_strategy(config["strategy"], config["strategy_options"])
    takes = inspect.signature(default_registry().resolve("learner", config["learner"])).parameters
    if "seed" in takes or any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        options["seed"] = config["seed"]
    made: Learner = tlml.learner(config["learner"], **options)
    return made


def make_training_view(config: dict[str, Any], learner: Learner, domain: Any) -> View:
    """Make the view of a fit, and build the learner's network for it."""
    takes = inspect.signature(learner.view_type.__init__).parameters
    defaults = {k: v for k, v in config["view_defaults"].items() if k in takes}
    return learner.view(domain, **{**defaults, **config["view"]}, seed=config["seed"])


def trainer_options(config: dict[str, Any]) -> dict[str, Any]:
    """Return those of a cell: one process, as a suite runs several cells side by side."""
    return {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, **config["trainer"]}


def choices_of(tune: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values to try."""
    for values in itertools.product(*(candidates(tune[name]) for name in tune)):
        yield dict(zip(tune, values, strict=True))


def candidates(given: Any) -> list[Any]:
    """Return the values to try: of ``{values: [...]}`` all, of a range five."""
    if isinstance(given, dict):
        return list(given["values"])
    low, high, scale = given
    space = np.geomspace if scale == "log" else np.linspace
    return [float(value) for value in space(low, high, _TUNING_VALUES)]


class Tried(NamedTuple):
    """The risk of a choice: infinite where it failed, with the reason."""

    risk: float
    error: str = ""


def best_of(tried: Sequence[Tried]) -> int:
    """Return which choice has the least risk, among those of a finite one.

    Raises:
        TlmlError: None has.
    """
    finite = [number for number, one in enumerate(tried) if math.isfinite(one.risk)]
    if not finite:
        reasons = [one.error for one in tried if one.error]
        raise TlmlError(
            f"tune: none of the {len(tried)} choices has a finite risk, so there is nothing to "
            f"choose from; try other values{f' (one failed: {reasons[0]})' if reasons else ''}"
        )
    return min(finite, key=lambda number: tried[number].risk)


def part_of(report: Report, number: int, of: int) -> Report:
    """Return what reports the shares of one part out of some of equal length."""
    return lambda share: report((number + share) / of)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's notes about hardware, workers and loggers out of a suite's output."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning.*")
            warnings.filterwarnings("ignore", module=r"torch\.utils\.data.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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

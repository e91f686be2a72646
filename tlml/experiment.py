"""Runs one cell of a suite: a fit, or an adaptation to target episodes."""

from __future__ import annotations

import inspect
import itertools
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, Timer
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.model_helpers import is_overridden

import tlml
from tlml.carrying import carry_for
from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.gradient_learner import GradientLearner
from tlml.learners import Learner
from tlml.loading import load
from tlml.metrics import primary
from tlml.normalisation import has_batchnorm, uses_batch_statistics
from tlml.registry import default_registry
from tlml.strategies import Strategy
from tlml.views import EpisodeView, View

Report = Callable[[float], None]  # takes the share of a cell that is done
CHECKPOINT = "last.ckpt"
_EVERY = timedelta(seconds=15)  # between checkpoints of a fit
_TUNING_EPISODES = 20
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


def check_cell(config: dict[str, Any]) -> None:
    """Make everything that a cell is made of, so that wrong values show before the first run.

    Raises:
        TlmlError: Something can't be made.
    """
    domain, learner = make_domain(config), make_learner(config)
    if config["kind"] == "fit":
        view = make_training_view(config, learner, domain)
        view.setup("fit")
        pl.Trainer(**_trainer_options(config), logger=False, enable_checkpointing=False)
        return
    make_strategy(config["strategy"], config["strategy_options"])
    EpisodeView(domain, **config["view"]).setup("test")


def run_fit(config: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Train a learner, or go on where it was stopped; ``last.ckpt`` holds it in the end.

    Returns:
        What ``result.json`` says beyond the cell's own description.
    """
    domain, learner = make_domain(config), make_learner(config)
    view = make_training_view(config, learner, domain)
    clock, path = Timer(), folder / CHECKPOINT
    trainer = pl.Trainer(
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[clock, _Progress(report), _last_checkpoint(folder)],
        enable_progress_bar=False,
        enable_model_summary=False,
        **_trainer_options(config),
    )
    if is_overridden("training_step", learner):
        trainer.fit(learner, datamodule=view, ckpt_path=path if path.is_file() else None,
                    weights_only=True)  # fmt: skip
    else:
        trainer.strategy.connect(learner)
    trainer.save_checkpoint(path)
    seconds = clock.time_elapsed("train")
    return {
        "learner": config["learner"],
        "strategy": config["strategy"],
        "checkpoint": CHECKPOINT,
        "cost": {"fit_seconds": round(seconds, 3), "steps": trainer.global_step},
    }


def run_adapt(config: dict[str, Any], checkpoint: Path | None, report: Report) -> dict[str, Any]:
    """Adapt a fitted or fresh learner to each target episode and measure it.

    Returns:
        What ``result.json`` says beyond the cell's own description.
    """
    domain = make_domain(config)
    learner = load(checkpoint) if checkpoint else make_learner(config)
    options = _tuned(config, learner, domain)
    view = EpisodeView(
        domain, **config["view"], adapt=make_strategy(config["strategy"], options),
        head=config["head"],
    )  # fmt: skip
    if checkpoint is None:
        learner.meet(view.test_spaces)
    metric, higher = primary(view.test_spaces.y)
    _test(learner, view, report)
    records = learner.records
    return {
        "learner": config["learner"],
        "strategy": config["strategy"],
        "options": options,
        "metric": metric,
        "higher_is_better": higher,
        "episodes": [record["episode"] for record in records],
        "scores": [record[metric] for record in records],
        "losses": [record["loss"] for record in records],
        **_described(learner, view),
        "cost": {
            "fit_seconds": _fit_seconds(checkpoint),
            "adapt_seconds": round(sum(record["seconds"] for record in records), 3),
            "gradient_steps": float(np.mean([record["gradient_steps"] for record in records])),
            "labels": len(view.dataset(view.split)[0].support.y),
        },
    }


def run_cell(cell: dict[str, Any], folder: Path, checkpoint: Path | None, report: Report) -> None:
    """Run a cell and write its ``config.yaml`` first and its ``result.json`` last."""
    config = cell["config"]
    make_folder(folder)
    write_atomic(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    with quiet():
        if config["kind"] == "fit":
            found = run_fit(config, folder, report)
        else:
            found = run_adapt(config, checkpoint, report)
    own = {key: value for key, value in cell.items() if key != "config"}
    text = json.dumps({"kind": config["kind"], **own, **found}, indent=1)
    write_atomic(folder / "result.json", text + "\n")


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


def _trainer_options(config: dict[str, Any]) -> dict[str, Any]:
    # One cell, one process: the suite runs several cells side by side.
    return {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, **config["trainer"]}


def _last_checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder, filename=CHECKPOINT.removesuffix(".ckpt"), train_time_interval=_EVERY,
        enable_version_counter=False,
    )  # fmt: skip


def _test(learner: Learner, view: EpisodeView, report: Report) -> None:
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, logger=False, callbacks=[_Progress(report)],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.test(learner, datamodule=view, verbose=False)


def _described(learner: Learner, view: EpisodeView) -> dict[str, Any]:
    """Say which head and which statistics a test used."""
    carry = carry_for(learner, view)
    if not isinstance(learner, GradientLearner) or carry.network is None:
        learner.carry = carry
        uses = bool(getattr(learner, "transductive", False))
        learner.carry = None
        return {"batchnorm": None, "head": None, "transductive": uses}
    policy = carry.strategy.batchnorm or learner.batchnorm
    used = "batch" if uses_batch_statistics(carry.network, policy) else "stored"
    return {
        "batchnorm": used if has_batchnorm(carry.network) else None,
        "head": "new" if carry.new_head else "kept",
        "transductive": carry.strategy.unlabelled,
    }


def _fit_seconds(checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    result = json.loads((checkpoint.parent / "result.json").read_text())
    return float(result["cost"]["fit_seconds"])


def _tuned(config: dict[str, Any], learner: Learner, domain: Any) -> dict[str, Any]:
    """Choose the options to tune on episodes of validation tasks, which no target label enters."""
    fixed = dict(config["strategy_options"])
    if not config["tune"]:
        return fixed
    names = list(config["tune"])
    grid = itertools.product(*(candidates(config["tune"][name]) for name in names))
    choices = [fixed | dict(zip(names, values, strict=True)) for values in grid]
    view = {**config["view"], "episodes": _TUNING_EPISODES, "split": "validation"}
    return min(choices, key=lambda options: _risk(config, learner, domain, view, options))


def _risk(
    config: dict[str, Any], learner: Learner, domain: Any, view: dict[str, Any],
    options: dict[str, Any],
) -> float:  # fmt: skip
    made = EpisodeView(
        domain, **view, adapt=make_strategy(config["strategy"], options), head=config["head"]
    )
    if learner.view_spaces is None:
        learner.meet(made.test_spaces)
    try:
        _test(learner, made, lambda share: None)
    except TlmlError:  # it diverged
        return math.inf
    metric, higher = primary(made.test_spaces.y)
    mean = float(np.mean([record[metric] for record in learner.records]))
    return -mean if higher else mean


def candidates(given: Any) -> list[Any]:
    """Return the values to try: of ``{values: [...]}`` all, of a range five."""
    if isinstance(given, dict):
        return list(given["values"])
    low, high, scale = given
    space = np.geomspace if scale == "log" else np.linspace
    return [float(value) for value in space(low, high, _TUNING_VALUES)]


class _Progress(Callback):
    """Reports the share of a fit or a test that is done."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        total = trainer.estimated_stepping_batches
        self.report(min(trainer.global_step / total, 1.0) if total > 0 else 0.0)

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        self.report((batch_idx + 1) / max(trainer.num_test_batches[0], 1))

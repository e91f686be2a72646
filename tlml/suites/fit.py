"""Trains the learner of a suite's cell, with the options that a criterion chooses."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, Timer
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.model_helpers import is_overridden

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.learners.checkpoints import load
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner
from tlml.metrics.targets import primary
from tlml.metrics.tasks import measured
from tlml.selection.criteria import risk
from tlml.suites.cells import TARGET_LABELS
from tlml.suites.feature_plane import write_projection
from tlml.suites.ingredients import (
    Progress,
    Report,
    make_domain,
    make_learner,
    make_training_view,
    part_of,
    trainer_options,
)
from tlml.suites.results import FEATURES
from tlml.suites.tuning import Tried, best_of, choices_of
from tlml.views.base import View
from tlml.views.pair import PairView

CHECKPOINT = "last.ckpt"
_EVERY = timedelta(seconds=15)  # between checkpoints of a fit


def run_fit(config: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Train a learner, or go on where it was stopped; ``last.ckpt`` holds it in the end.

    Where options of its strategy are to be chosen, each choice is trained in a folder of its own,
    and the best by the criterion is kept.

    Returns:
        What ``result.json`` says beyond the cell's own description.
    """
    if not config["tune"]:
        learner, view, cost = _trained(config, folder, report)
        chosen: dict[str, Any] = {}
    else:
        learner, view, cost, chosen = _chosen(config, folder, report)
    if isinstance(view, PairView) and isinstance(learner, GradientLearner):
        write_projection(learner, view, folder / FEATURES)
    return {
        "learner": config["learner"],
        "strategy": config["strategy"],
        "checkpoint": CHECKPOINT,
        **chosen,
        "effective_sample_size": learner.strategy.effective_sample_size,
        "cost": cost,
    }


def _trained(
    config: dict[str, Any], folder: Path, report: Report
) -> tuple[Learner, View, dict[str, float]]:
    domain, learner = make_domain(config), make_learner(config)
    view = make_training_view(config, learner, domain)
    clock, path = Timer(), folder / CHECKPOINT
    trainer = pl.Trainer(
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[clock, Progress(report), _last_checkpoint(folder)],
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer_options(config),
    )
    if is_overridden("training_step", learner):
        trainer.fit(learner, datamodule=view, ckpt_path=path if path.is_file() else None,
                    weights_only=True)  # fmt: skip
    else:
        trainer.strategy.connect(learner)
    trainer.save_checkpoint(path)
    seconds = round(clock.time_elapsed("train"), 3)
    return learner, view, {"fit_seconds": seconds, "steps": trainer.global_step}


def _last_checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder, filename=CHECKPOINT.removesuffix(".ckpt"), train_time_interval=_EVERY,
        enable_version_counter=False,
    )  # fmt: skip


def _chosen(
    config: dict[str, Any], folder: Path, report: Report
) -> tuple[Learner, View, dict[str, float], dict[str, Any]]:
    """Train each choice of options once, and keep the one of the least risk."""
    choices = list(choices_of(config["tune"]))
    tried = []
    for number, options in enumerate(choices):
        own = make_folder(folder / f"choice-{number}")
        done = own / "choice.json"
        if not done.is_file():
            _try_choice(config | {"tune": {}}, options, own, part_of(report, number, len(choices)))
        tried.append(json.loads(done.read_text()))
    best = best_of([Tried(one["risk"], one["error"]) for one in tried])
    checkpoint = folder / f"choice-{best}" / CHECKPOINT
    write_atomic(folder / CHECKPOINT, checkpoint.read_bytes())
    learner = load(checkpoint)
    view = make_training_view(config, learner, make_domain(config))
    cost = {name: sum(one["cost"][name] for one in tried) for name in tried[0]["cost"]}
    chosen = {
        "options": choices[best],
        "criterion": config["criterion"],
        "risks": [one["risk"] for one in tried],
        "choices": choices,
    }
    return learner, view, cost, chosen


def _try_choice(
    config: dict[str, Any], options: dict[str, Any], folder: Path, report: Report
) -> None:
    config = config | {"strategy_options": config["strategy_options"] | options}
    cost = {"fit_seconds": 0.0, "steps": 0}
    try:
        learner, view, cost = _trained(config, folder, report)
        found = Tried(_fit_risk(config, learner, view))
    except TlmlError as error:  # mostly it diverged; the other choices go on
        found = Tried(math.inf, str(error))
    text = json.dumps({"options": options, **found._asdict(), "cost": cost})
    write_atomic(folder / "choice.json", text + "\n")


def check_tuning(config: dict[str, Any], learner: Learner, view: View) -> None:
    """Raise where options of a fit are to be chosen that nothing can judge."""
    judged = isinstance(learner, GradientLearner) and isinstance(view, PairView)
    if config["tune"] and not judged:
        raise TlmlError(
            f"tune: {config['learner']} trains no network on pairs of source and target, by which "
            "a fit could be judged; tune the method instead"
        )


def _fit_risk(config: dict[str, Any], learner: Learner, view: View) -> float:
    assert isinstance(learner, GradientLearner)
    assert isinstance(view, PairView)
    if config["criterion"] == TARGET_LABELS:
        query = view.drawn().episode.query
        with torch.no_grad():
            scores = learner.eval().predict_now(query.x)
        metric, higher = primary(view.target_spaces.y, view.domain)
        value = float(measured(view.domain, view.target_spaces.y, query, scores)[metric])
        return -value if higher else value

    def train(domain: Any) -> GradientLearner:
        back, own = make_learner(config), {"episode": 0, "shots": 0}
        return _reversed(config | {"view": config["view"] | own}, back, domain)

    return risk(config["criterion"], learner, view, train)


def _reversed(config: dict[str, Any], learner: Learner, domain: Any) -> GradientLearner:
    """Train a learner on another domain, for reverse validation."""
    view = make_training_view(config, learner, domain)
    trainer = pl.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **trainer_options(config),
    )  # fmt: skip
    trainer.fit(learner, datamodule=view)
    assert isinstance(learner, GradientLearner)
    return learner

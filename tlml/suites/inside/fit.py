"""Makes the fit of a suite's cell, with the options that a criterion chooses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tlml.files import write_atomic
from tlml.learners.gradient_learner import GradientLearner
from tlml.suites.inside.checks import REFUSALS, check_fit, fault_of_choice, told
from tlml.suites.inside.choice import choose, fit_risk
from tlml.suites.inside.costs import NO_FIT, OF_FITS
from tlml.suites.inside.feature_plane import write_projection
from tlml.suites.inside.ingredients import load_fitted, make_domain, make_training_view
from tlml.suites.inside.share import Report
from tlml.suites.inside.training import TrainingOutcome, train
from tlml.suites.results import CHECKPOINT, FEATURES
from tlml.suites.tuning import with_options
from tlml.views.pair import PairView

_CHOSEN = ("options", "criterion", "risks", "errors", "choices")  # what a result says of it


def run_fit(
    config: dict[str, Any], folder: Path, report: Report, choice: Path | None = None
) -> dict[str, Any]:
    """Train a learner, or go on where it was stopped; ``last.ckpt`` holds it in the end.

    Where options are to be chosen here, each choice is trained in a folder of its own, and the
    best by the criterion is kept.

    Args:
        config: Of the cell.
        folder: Of the cell.
        report: Takes the share that is done.
        choice: The ``result.json`` of the cell that has chosen options, if any.

    Returns:
        What ``result.json`` says beyond the cell's own description.
    """
    chosen: dict[str, Any] = {}
    if config["tune"]:
        trained, chosen = _best(config, folder, report)
    elif choice is not None:
        found = json.loads(choice.read_text(encoding="utf-8"))
        chosen = {name: found[name] for name in _CHOSEN if name in found}
        trained = train(with_options(config, found["options"]), folder, report)
        for name in OF_FITS:
            if name in found["cost"]:
                trained.cost[name.replace("fit", "tuning")] = found["cost"][name]
    else:
        trained = train(config, folder, report)
    learner, view, cost, retained, courses = trained
    if isinstance(view, PairView) and isinstance(learner, GradientLearner):
        write_projection(learner, view, folder / FEATURES)
    return {
        "learner": config["learner"],
        "strategy": config["strategy"],
        "checkpoint": CHECKPOINT,
        **chosen,
        "effective_sample_size": learner.strategy.effective_sample_size,
        **retained,
        "courses": courses,
        "cost": cost,
    }


def try_fit(config: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Train one choice of several; that it diverged or is refused comes out, as ``error``.

    Such a choice is never tried again, and the others are compared without it.
    """
    try:
        return run_fit(config, folder, report)
    except REFUSALS as error:
        if not fault_of_choice(error, config, check_fit):
            raise
        said = {name: config[name] for name in ("learner", "strategy")}
        return {**said, "error": told(error), "cost": dict(NO_FIT)}


def _best(
    config: dict[str, Any], folder: Path, report: Report
) -> tuple[TrainingOutcome, dict[str, Any]]:
    found = choose(config, folder, report, fit_risk)
    checkpoint = folder / f"choice-{found.pop('number')}" / CHECKPOINT
    write_atomic(folder / CHECKPOINT, checkpoint.read_bytes())
    learner, cost = (
        load_fitted(checkpoint, with_options(config, found["options"])),
        found.pop("cost"),
    )
    view = make_training_view(config, learner, make_domain(config))
    return TrainingOutcome(learner, view, cost, {}, {}), found

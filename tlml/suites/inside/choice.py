"""Chooses options of a fit: each choice is trained once, and a criterion keeps one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner
from tlml.metrics.targets import primary
from tlml.metrics.tasks import measure_predictions
from tlml.selection.criteria import risk
from tlml.suites.cells import TARGET_LABELS
from tlml.suites.inside.checks import REFUSALS, check_each, check_fit, fault_of_choice, told
from tlml.suites.inside.costs import NO_FIT, OF_FITS, summed
from tlml.suites.inside.ingredients import (
    make_domain,
    make_learner,
    make_training_view,
    trainer_options,
)
from tlml.suites.inside.share import Report, part_of
from tlml.suites.inside.training import TrainingOutcome, train
from tlml.suites.tuning import TrialResult, best_of, choices_of, with_options
from tlml.views.base import View
from tlml.views.pair import PairView
from tlml.views.stream import StreamView

Risk = Callable[[dict[str, Any], TrainingOutcome], float]


def choose(config: dict[str, Any], folder: Path, report: Report, risk: Risk) -> dict[str, Any]:
    """Train every choice of options in a folder of its own, and return the best.

    Returns:
        ``options`` (the best), ``number`` (which it is), ``criterion``, ``risks``, ``errors``,
        ``choices`` and ``cost`` (of all together).
    """
    choices = list(choices_of(config["tune"]))
    tried = []
    for number, options in enumerate(choices):
        done = make_folder(folder / f"choice-{number}") / "choice.json"
        if not done.is_file():
            part = part_of(report, number, len(choices))
            _try_choice(with_options(config, options), options, done.parent, part, risk)
        tried.append(json.loads(done.read_text(encoding="utf-8")))
    best = best_of([TrialResult(one["risk"], one["error"]) for one in tried])
    return {
        "options": choices[best],
        "number": best,
        "criterion": config["criterion"],
        "risks": [one["risk"] for one in tried],
        "errors": [one["error"] for one in tried],
        "choices": choices,
        "cost": summed([one["cost"] for one in tried], (*OF_FITS, "steps")),
    }


def choose_on_stream(config: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Choose by what is retained of a stream of validation tasks, as long as there are tasks."""
    found = choose(_on_validation(config), folder, report, _lost)
    return {name: value for name, value in found.items() if name != "number"}


def check_choices(config: dict[str, Any]) -> None:
    """Make each learner of a choice on a stream, and the stream of validation tasks.

    Raises:
        TlmlError: No choice can be made.
    """
    stream = _on_validation(config)
    every = (with_options(stream, options) for options in choices_of(config["tune"]))
    check_each(every, check_fit)


def check_tuning(config: dict[str, Any], learner: Learner, view: View) -> None:
    """Raise where options of a fit are to be chosen that nothing can judge."""
    judged = isinstance(learner, GradientLearner) and isinstance(view, PairView)
    if config["tune"] and not judged:
        raise TlmlError(
            f"tune: {config['learner']} trains no network on pairs of source and target, which "
            f"'{config['criterion']}' could judge; tune the method instead"
        )


def fit_risk(config: dict[str, Any], trained: TrainingOutcome) -> float:
    """Return the risk of a fit on pairs by the configuration's criterion."""
    learner, view = trained.learner, trained.view
    assert isinstance(learner, GradientLearner)
    assert isinstance(view, PairView)
    if config["criterion"] == TARGET_LABELS:
        query = view.drawn().episode.query
        with torch.no_grad():
            scores = learner.eval().predict_now(query.x)
        metric, higher = primary(view.target_spaces.y, view.domain)
        value = float(measure_predictions(view.domain, view.target_spaces.y, query, scores)[metric])
        return -value if higher else value

    def again(domain: Any) -> GradientLearner:
        back, own = make_learner(config), {"episode": 0, "shots": 0}
        return _train_reversed(config | {"view": config["view"] | own}, back, domain)

    return risk(config["criterion"], learner, view, again)


def _try_choice(
    config: dict[str, Any], options: dict[str, Any], folder: Path, report: Report, risk: Risk
) -> None:
    cost = dict(NO_FIT)
    try:
        trained = train(config, folder, report)
        cost = trained.cost
        found = TrialResult(risk(config, trained))
    except REFUSALS as error:  # mostly it diverged; the other choices go on
        if not fault_of_choice(error, config, check_fit):
            raise
        found = TrialResult(math.inf, told(error))
    text = json.dumps({"options": options, **found._asdict(), "cost": cost})
    write_atomic(folder / "choice.json", text + "\n")


def _on_validation(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose stream is of validation tasks, as many as there are."""
    all_of_them = {"split": "validation", "tasks": None}
    whole = config | {"view": config["view"] | all_of_them}
    view = make_training_view(whole, make_learner(whole), make_domain(whole))
    assert isinstance(view, StreamView)
    wanted = config["view"].get("tasks", config["view_defaults"].get("tasks"))
    tasks = min(view.number_of_tasks, wanted or view.number_of_tasks)
    return config | {"view": config["view"] | all_of_them | {"tasks": tasks}}


def _lost(config: dict[str, Any], trained: TrainingOutcome) -> float:
    """Return what is not retained in the mean over tasks: RA, negative where more is better."""
    if not trained.retained:
        raise TlmlError(f"tune: {config['learner']} measured no task of the validation stream")
    mean = float(trained.retained["summary"]["RA"])
    return -mean if trained.retained["higher_is_better"] else mean


def _train_reversed(config: dict[str, Any], learner: Learner, domain: Any) -> GradientLearner:
    """Train a learner on another domain, for reverse validation."""
    view = make_training_view(config, learner, domain)
    trainer = pl.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **trainer_options(config, learner, view),
    )  # fmt: skip
    trainer.fit(learner, datamodule=view)
    assert isinstance(learner, GradientLearner)
    return learner

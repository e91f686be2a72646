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
import torch
import yaml
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, Timer
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.model_helpers import is_overridden

import tlml
from tlml.carrying import carry_for
from tlml.criteria import risk
from tlml.errors import Diverged, TlmlError
from tlml.files import make_folder, write_atomic
from tlml.gradient_learner import GradientLearner
from tlml.learners import Learner
from tlml.loading import load
from tlml.metrics import measured, primary
from tlml.normalisation import has_batchnorm, uses_batch_statistics
from tlml.plan import TARGET_LABELS
from tlml.projection import write_projection
from tlml.registry import default_registry
from tlml.results import FEATURES
from tlml.strategies import Strategy
from tlml.views import EpisodeView, PairView, View

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
        learner.check(view)
        pl.Trainer(**_trainer_options(config), logger=False, enable_checkpointing=False)
        return
    adapt = make_strategy(config["strategy"], config["strategy_options"])
    test = EpisodeView(domain, **config["view"], adapt=adapt, head=config["head"])
    test.setup("test")
    learner.meet(test.test_spaces)
    carry_for(learner, test)  # attaches the strategy to the network


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
    seconds = round(clock.time_elapsed("train"), 3)
    return learner, view, {"fit_seconds": seconds, "steps": trainer.global_step}


def _chosen(
    config: dict[str, Any], folder: Path, report: Report
) -> tuple[Learner, View, dict[str, float], dict[str, Any]]:
    """Train each choice of options once, and keep the one of the least risk."""
    choices = list(_choices(config["tune"]))
    tried = []
    for number, options in enumerate(choices):
        own = make_folder(folder / f"choice-{number}")
        done = own / "choice.json"
        if not done.is_file():
            _try_choice(config | {"tune": {}}, options, own, _part(report, number, len(choices)))
        tried.append(json.loads(done.read_text()))
    best = min(range(len(choices)), key=lambda number: tried[number]["risk"])
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
    try:
        learner, view, cost = _trained(config, folder, report)
        found = _fit_risk(config, learner, view)
    except Diverged:
        found, cost = math.inf, {"fit_seconds": 0.0, "steps": 0}
    text = json.dumps({"options": options, "risk": found, "cost": cost})
    write_atomic(folder / "choice.json", text + "\n")


def _fit_risk(config: dict[str, Any], learner: Learner, view: View) -> float:
    if not (isinstance(learner, GradientLearner) and isinstance(view, PairView)):
        raise TlmlError(
            f"tune: {config['learner']} trains on no pairs of source and target, by which a fit "
            "could be judged; tune the method instead"
        )
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
        enable_model_summary=False, **_trainer_options(config),
    )  # fmt: skip
    trainer.fit(learner, datamodule=view)
    assert isinstance(learner, GradientLearner)
    return learner


def _part(report: Report, number: int, of: int) -> Report:
    return lambda share: report((number + share) / of)


def run_adapt(config: dict[str, Any], checkpoints: list[Path], report: Report) -> dict[str, Any]:
    """Adapt a fitted or fresh learner to each target episode and measure it.

    Args:
        config: Of the cell.
        checkpoints: One for all episodes, one for each, or none.
        report: Takes the share that is done.

    Returns:
        What ``result.json`` says beyond the cell's own description.
    """
    domain, episodes = make_domain(config), config["view"]["episodes"]
    own_fits = len(checkpoints) > 1
    records: list[dict[str, Any]] = []
    options: dict[str, Any] | None = None
    for number, path in enumerate(checkpoints or [None]):
        learner = load(path) if path else make_learner(config)
        part = {"first": number, "episodes": 1} if own_fits else {}
        if options is None or not config["tune"]:
            options = _tuned(_as_fitted(config, path), learner, domain)
        view = EpisodeView(
            domain, **config["view"] | part, adapt=make_strategy(config["strategy"], options),
            head=config["head"],
        )  # fmt: skip
        if path is None:
            learner.meet(view.test_spaces)
        _test(learner, view, _part(report, number, episodes) if own_fits else report)
        records += learner.records
    metric, higher = primary(view.test_spaces.y, domain)
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
        "effective_sample_size": _mean_size(records),
        "chosen_by": _chosen_by(config, checkpoints),
        "cost": {
            "fit_seconds": round(
                sum(_result(path)["cost"]["fit_seconds"] for path in checkpoints), 3
            ),
            "adapt_seconds": round(sum(record["seconds"] for record in records), 3),
            "gradient_steps": float(np.mean([record["gradient_steps"] for record in records])),
            "labels": _labels(config, view),
        },
    }


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
    """Say which head and which statistics a test used, and whether it looked at the queries."""
    carry = carry_for(learner, view)
    uses = learner.transductive(carry.strategy)
    if not isinstance(learner, GradientLearner) or carry.network is None:
        return {"batchnorm": None, "head": None, "transductive": uses}
    policy = carry.strategy.batchnorm or learner.batchnorm
    used = "batch" if uses_batch_statistics(carry.network, policy) else "stored"
    return {
        "batchnorm": used if has_batchnorm(carry.network) else None,
        "head": "new" if carry.new_head else "kept",
        "transductive": uses,
    }


def _result(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkpoint.parent / "result.json").read_text())
    return found


def _as_fitted(config: dict[str, Any], checkpoint: Path | None) -> dict[str, Any]:
    """Return an adaptation's configuration with the options that were chosen for its fit.

    They hold for the same strategy afterwards, where the method says nothing else.
    """
    fitted = _result(checkpoint) if checkpoint else {}
    if not fitted.get("options") or fitted["strategy"] != config["strategy"]:
        return config
    return config | {"strategy_options": fitted["options"] | config["strategy_options"]}


def _mean_size(records: list[dict[str, Any]]) -> float | None:
    """Return the mean effective sample size of the source, where it was weighed."""
    sizes = [one["effective_sample_size"] for one in records if "effective_sample_size" in one]
    return float(np.mean(sizes)) if sizes else None


def _labels(config: dict[str, Any], view: EpisodeView) -> int:
    """Return how many labels an episode has: none where inputs are to be told again."""
    if "reconstruction" in default_registry().spec("domain", config["domain"]).gives:
        return 0
    return len(view.dataset(view.split)[0].support.y)


def _chosen_by(config: dict[str, Any], checkpoints: list[Path]) -> str | None:
    """Say by what options were chosen, of the fit or of the method."""
    said = {_result(path).get("criterion") for path in checkpoints} | {config["criterion"]}
    return ", ".join(sorted(filter(None, said))) or None


def _tuned(config: dict[str, Any], learner: Learner, domain: Any) -> dict[str, Any]:
    """Choose the options to tune on episodes of validation tasks, which no target label enters.

    The oracle chooses on the episodes of the test itself.
    """
    fixed = dict(config["strategy_options"])
    if not config["tune"]:
        return fixed
    choices = [fixed | options for options in _choices(config["tune"])]
    view = {**config["view"], "episodes": _TUNING_EPISODES, "split": "validation"}
    if config["criterion"] == TARGET_LABELS:
        view = config["view"]
    return min(choices, key=lambda options: _risk(config, learner, domain, view, options))


def _choices(tune: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values to try."""
    for values in itertools.product(*(candidates(tune[name]) for name in tune)):
        yield dict(zip(tune, values, strict=True))


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
    metric, higher = primary(made.test_spaces.y, domain)
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

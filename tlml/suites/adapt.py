"""Adapts the learner of a suite's cell to target episodes, and measures it on them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from tlml.data.counts import counted
from tlml.errors import TlmlError
from tlml.learners.adapter import adapter_for
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner
from tlml.metrics.targets import primary
from tlml.networks.batchnorm import has_batchnorm, uses_batch_statistics
from tlml.registry.registry import default_registry
from tlml.suites.cells import TARGET_LABELS
from tlml.suites.choice import of_strategy
from tlml.suites.drawn_units import paired
from tlml.suites.ingredients import (
    load_fitted,
    make_domain,
    make_learner,
    make_strategy,
    make_training_view,
)
from tlml.suites.results import Record
from tlml.suites.share import Report, ShareReporter, part_of
from tlml.suites.tuning import TrialResult, best_of, choices_of
from tlml.views.episode import EpisodeDataset, EpisodeView

_TUNING_EPISODES = 20


def check_adapt(config: dict[str, Any]) -> None:
    """Make everything that adapting needs, so that wrong values show before the first run.

    Raises:
        TlmlError: Something can't be made.
    """
    domain, learner = make_domain(config), make_learner(config)
    adapt = make_strategy(config["strategy"], config["strategy_options"])
    test = EpisodeView(domain, **config["view"], adapt=adapt, head=config["head"])
    test.setup("test")
    learner.meet(test.test_spaces)
    adapter = adapter_for(learner, test)  # attaches the strategy to the network
    if isinstance(learner, GradientLearner) and has_batchnorm(adapter.network):
        data = test.dataset(test.split)
        smallest = data.smallest() if isinstance(data, EpisodeDataset) else data[0]
        learner.check_sizes(smallest, adapter.strategy, adapter.network)


def check_head(config: dict[str, Any], fit: dict[str, Any]) -> None:
    """Raise where a head that is to be kept has another meaning or size than the tasks' labels.

    Args:
        config: Of the cell.
        fit: Of its fit.

    Raises:
        TlmlError: It has.
    """
    domain, learner = make_domain(config), make_learner(fit)
    make_training_view(fit, learner, domain)
    adapt = make_strategy(config["strategy"], config["strategy_options"])
    adapter_for(learner, EpisodeView(domain, **config["view"], adapt=adapt, head=config["head"]))


def run_adapt(config: dict[str, Any], checkpoints: list[Path], report: Report) -> Record:
    """Adapt a fitted or fresh learner to each target episode and measure it.

    Args:
        config: Of the cell.
        checkpoints: One for all episodes, one for each, or none.
        report: Takes the share that is done.
    """
    domain, episodes = make_domain(config), config["view"]["episodes"]
    own_fits = len(checkpoints) > 1
    records: list[dict[str, Any]] = []
    options: dict[str, Any] | None = None
    for number, path in enumerate(checkpoints or [None]):
        learner = load_fitted(path, config) if path else make_learner(config)
        part = {"first": number, "episodes": 1} if own_fits else {}
        if options is None or not config["tune"]:
            options = _tune(_as_fitted(config, path), learner, domain)
        view = EpisodeView(
            domain, **config["view"] | part, adapt=make_strategy(config["strategy"], options),
            head=config["head"],
        )  # fmt: skip
        if path is None:
            learner.meet(view.test_spaces)
        _test(learner, view, part_of(report, number, episodes) if own_fits else report)
        records += learner.records
    metric, higher = primary(view.test_spaces.y, domain)
    return Record(
        protocol=config["protocol"],
        point={"shots": config["view"]["shots"]},
        learner=config["learner"],
        strategy=config["strategy"],
        options=options or {},
        metric=metric,
        higher_is_better=higher,
        units=[record["episode"] for record in records],
        episodes=[record["episode"] for record in records],
        scores=[record[metric] for record in records],
        losses=[record["loss"] for record in records],
        **paired(view, records),
        **_described(learner, view),
        effective_sample_size=_mean_size(records),
        chosen_by=_chosen_by(config, checkpoints),
        choices=_choices(config, checkpoints),
        cost={
            "fit_seconds": round(
                sum(_result(path)["cost"]["fit_seconds"] for path in checkpoints), 3
            ),
            "adapt_seconds": round(sum(record["seconds"] for record in records), 3),
            "gradient_steps": float(np.mean([record["gradient_steps"] for record in records])),
            "labels": _labels(config, view),
        },
    )


def _test(learner: Learner, view: EpisodeView, report: Report) -> None:
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, logger=False, callbacks=[ShareReporter(report)],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.test(learner, datamodule=view, verbose=False)


def _tune(config: dict[str, Any], learner: Learner, domain: Any) -> dict[str, Any]:
    """Choose the options to tune on episodes of validation tasks, which no target label enters.

    The oracle chooses on the episodes of the test itself.
    """
    fixed = dict(config["strategy_options"])
    if not config["tune"]:
        return fixed
    choices = [fixed | options for options in choices_of(config["tune"])]
    view = {**config["view"], "episodes": _TUNING_EPISODES, "split": "validation"}
    if config["criterion"] == TARGET_LABELS:
        view = config["view"]
    return choices[best_of([_try(config, learner, domain, view, one) for one in choices])]


def _try(
    config: dict[str, Any], learner: Learner, domain: Any, view: dict[str, Any],
    options: dict[str, Any],
) -> TrialResult:  # fmt: skip
    made = EpisodeView(
        domain, **view, adapt=make_strategy(config["strategy"], options), head=config["head"]
    )
    if learner.view_spaces is None:
        learner.meet(made.test_spaces)
    try:
        _test(learner, made, lambda share: None)
    except TlmlError as error:  # mostly it diverged; the other choices go on
        return TrialResult(math.inf, str(error))
    metric, higher = primary(made.test_spaces.y, domain)
    mean = float(np.mean([record[metric] for record in learner.records]))
    return TrialResult(-mean if higher else mean)


def _as_fitted(config: dict[str, Any], checkpoint: Path | None) -> dict[str, Any]:
    """Return an adaptation's configuration with the options that were chosen for its fit.

    They hold for the same strategy afterwards, where the method says nothing else.
    """
    fitted = _result(checkpoint) if checkpoint else {}
    if not fitted.get("options") or fitted["strategy"] != config["strategy"]:
        return config
    chosen = of_strategy(fitted["options"])
    return config | {"strategy_options": chosen | config["strategy_options"]}


def _result(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (checkpoint.parent / "result.json").read_text(encoding="utf-8")
    )
    return found


def _described(learner: Learner, view: EpisodeView) -> dict[str, Any]:
    """Say which head and which statistics a test used, and whether it looked at the queries."""
    adapter = adapter_for(learner, view)
    uses = learner.transductive(adapter.strategy)
    if not isinstance(learner, GradientLearner) or adapter.module is None:
        return {"batchnorm": None, "head": None, "transductive": uses}
    policy = adapter.strategy.batchnorm or learner.batchnorm
    used = "batch" if uses_batch_statistics(adapter.network, policy) else "stored"
    return {
        "batchnorm": used if has_batchnorm(adapter.network) else None,
        "head": "new" if adapter.new_head else "kept",
        "transductive": uses,
    }


def _mean_size(records: list[dict[str, Any]]) -> float | None:
    """Return the mean effective sample size of the source, where it was weighed."""
    sizes = [one["effective_sample_size"] for one in records if "effective_sample_size" in one]
    return float(np.mean(sizes)) if sizes else None


def _labels(config: dict[str, Any], view: EpisodeView) -> float:
    """Return how many labels an episode has: none where inputs are to be told again.

    Of shares and of all that there are it is the mean over episodes, as tasks differ.
    """
    if "reconstruction" in default_registry().spec("domain", config["domain"]).gives:
        return 0
    data = view.dataset(view.split)
    episodes = 1 if counted(view.shots) else config["view"]["episodes"]
    return float(np.mean([len(data[number].support.y) for number in range(episodes)]))


def _chosen_by(config: dict[str, Any], checkpoints: list[Path]) -> str | None:
    """Say by what options were chosen, of the fit or of the method."""
    said = {_result(path).get("criterion") for path in checkpoints} | {config["criterion"]}
    return ", ".join(sorted(filter(None, said))) or None


def _choices(config: dict[str, Any], checkpoints: list[Path]) -> int:
    """Return among how many choices of the fit and of the method options were chosen."""
    of_fit = max((len(_result(path).get("choices", ())) for path in checkpoints), default=0)
    return of_fit + (len(list(choices_of(config["tune"]))) if config["tune"] else 0)

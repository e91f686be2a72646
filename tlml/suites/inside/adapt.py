"""Adapts the learner of a suite's cell to target episodes, and measures it on them."""

from __future__ import annotations

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
from tlml.strategies.strategy import Strategy
from tlml.suites.cells import TARGET_LABELS, VALIDATION_TASKS
from tlml.suites.inside.checks import REFUSALS, check_each, fault_of_choice, told
from tlml.suites.inside.costs import costs_of_adapting, costs_of_fits
from tlml.suites.inside.drawn_units import paired
from tlml.suites.inside.ingredients import (
    load_fitted,
    make_domain,
    make_learner,
    make_strategy,
    make_training_view,
    result_of,
)
from tlml.suites.inside.share import Report, ShareReporter, part_of
from tlml.suites.results import Record, Tried
from tlml.suites.schema import STRATEGY
from tlml.suites.tuning import (
    Candidate,
    TrialResult,
    Tuning,
    best_of,
    candidates_of,
    edges,
    part_of_choice,
    tuning_of_fits,
)
from tlml.views.episode import EpisodeDataset, EpisodeView

_AT_ONCE: dict[str, Any] = {"tasks_per_batch": None}  # a test's, whatever a training's batches are
_TUNING_EPISODES = 20


def check_adapt(config: dict[str, Any]) -> None:
    """Make everything that adapting needs, so that wrong values show before the first run.

    Raises:
        OptionError: A value of any choice is wrong.
        TlmlError: No choice can be made, or there are no validation episodes to choose on.
    """
    check_each((one.config for one in candidates_of(config, [])), _check_choice)
    if config.get("criterion") == VALIDATION_TASKS:
        _check_validation(config, make_domain(config))


def _check_choice(config: dict[str, Any]) -> None:
    domain, learner, adapt = make_domain(config), make_learner(config), _strategy(config)
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

    def check(choice: dict[str, Any]) -> None:
        adapt, view = _strategy(choice), choice["view"]
        adapter_for(learner, EpisodeView(domain, **view, adapt=adapt, head=choice["head"]))

    domain, learner = make_domain(config), make_learner(fit)
    try:
        make_training_view(fit, learner, domain)
    except REFUSALS:
        if "tried" in fit:  # it is one choice less, as its own check says
            return
        raise
    check_each((one.config for one in candidates_of(config, [])), check)


def run_adapt(config: dict[str, Any], checkpoints: list[Path], report: Report) -> Record:
    """Adapt a fitted or fresh learner to each target episode and measure it.

    Args:
        config: Of the cell.
        checkpoints: One for all episodes, one for each, those of choices to take one from, or none.
        report: Takes the share that is done.
    """
    domain, episodes = make_domain(config), config["view"]["episodes"]
    # Choosing is shown as the first half.
    chosen, tuning = _choose(config, checkpoints, domain, part_of(report, 0, 2))
    report = report if config["criterion"] is None else part_of(report, 1, 2)
    config, checkpoints = chosen.config, chosen.checkpoints
    own_fits = len(checkpoints) > 1
    records: list[dict[str, Any]] = []
    for number, path in enumerate(checkpoints or [None]):
        learner = load_fitted(path, config) if path else make_learner(config)
        part = {"first": number, "episodes": 1} if own_fits else _AT_ONCE
        fitted = _as_fitted(config, path)
        view = EpisodeView(
            domain, **config["view"] | part, adapt=_strategy(fitted), head=config["head"]
        )
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
        options=fitted["strategy_options"] | tuning.of_fit,
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
        choices=tuning.choices,
        tried=tuning.tried,
        edges=tuning.edges,
        cost={
            **costs_of_fits(checkpoints),
            **tuning.cost,
            **costs_of_adapting(records),
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


def _choose(
    config: dict[str, Any], checkpoints: list[Path], domain: Any, report: Report
) -> tuple[Candidate, Tuning]:
    """Choose on episodes of validation tasks, which no target label enters.

    The oracle chooses on the episodes of the test itself.
    """
    candidates = list(candidates_of(config, checkpoints))
    # Fits that are choices here have chosen nothing themselves.
    of_fits = tuning_of_fits([] if "choices" in config else [*map(result_of, checkpoints)])
    if config["criterion"] is None:
        return candidates[0], of_fits
    trials = [
        _try(one, domain, part_of(report, number, len(candidates)))
        for number, one in enumerate(candidates)
    ]
    best = best_of([result for result, _ in trials])
    chosen, every = candidates[best], [one.options for one in candidates]
    seconds = sum(seconds for _, seconds in trials) + _seconds_of_others(chosen, checkpoints)
    on_edge = {name: [value] for name, value in edges(every, chosen.options).items()}
    return chosen, Tuning(
        of_fits.choices + len(every),
        [
            Tried(options=own, risk=found.risk, error=found.error)
            for own, (found, _) in zip(every, trials, strict=True)
        ],
        of_fits.edges | on_edge,
        of_fits.of_fit | {k: v for k, v in chosen.options.items() if k not in config["tune"]},
        {"tuning_seconds": round(of_fits.cost.get("tuning_seconds", 0) + seconds, 3)},
    )


def _seconds_of_others(chosen: Candidate, checkpoints: list[Path]) -> float:
    """Return the seconds of training the choices of a fit that were not taken."""
    others = [path for path in checkpoints if path not in chosen.checkpoints]
    return sum(float(result_of(path)["cost"]["fit_seconds"]) for path in others)


def _try(candidate: Candidate, domain: Any, report: Report) -> tuple[TrialResult, float]:
    """Return the risk of a choice, and the seconds that adapting took."""
    path = next(iter(candidate.checkpoints), None)
    config = _as_fitted(candidate.config, path)
    if path and (error := result_of(path).get("error")):
        return TrialResult(math.inf, error), 0.0
    learner = load_fitted(path, config) if path else make_learner(config)
    try:
        view = _tested(learner, config, domain, report)
    except REFUSALS as error:  # mostly it diverged; the other choices go on
        if not fault_of_choice(error, config, _check_choice):
            raise
        return TrialResult(math.inf, told(error)), 0.0
    metric, higher = primary(view.test_spaces.y, domain)
    mean = float(np.mean([record[metric] for record in learner.records]))
    seconds = sum(record["seconds"] for record in learner.records)
    return TrialResult(-mean if higher else mean), seconds


def _tested(learner: Learner, config: dict[str, Any], domain: Any, report: Report) -> EpisodeView:
    """Test a choice on the episodes that judge it."""
    view = EpisodeView(domain, **_judging(config), adapt=_strategy(config), head=config["head"])
    if learner.view_spaces is None:
        learner.meet(view.test_spaces)
    _test(learner, view, report)
    return view


def _judging(config: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the view that choices are judged on: the same for all methods."""
    if config["criterion"] == TARGET_LABELS:
        return {**config["view"], **_AT_ONCE}
    return {**config["view"], **_AT_ONCE, "episodes": _TUNING_EPISODES, "split": "validation"}


def _check_validation(config: dict[str, Any], domain: Any) -> None:
    try:
        EpisodeView(domain, **_judging(config)).setup("test")
    except TlmlError as error:
        raise TlmlError(f"tune: validation tasks cannot judge: {error}") from error


def _strategy(config: dict[str, Any]) -> Strategy | None:
    return make_strategy(config["strategy"], config["strategy_options"])


def _as_fitted(config: dict[str, Any], checkpoint: Path | None) -> dict[str, Any]:
    """Return an adaptation's configuration with the options that were chosen for its fit.

    They hold for the same strategy afterwards, where the method says nothing else.
    """
    fitted = result_of(checkpoint) if checkpoint else {}
    if not fitted.get("options") or fitted["strategy"] != config["strategy"]:
        return config
    chosen = part_of_choice(fitted["options"], STRATEGY)
    return config | {"strategy_options": chosen | config["strategy_options"]}


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
    said = {result_of(path).get("criterion") for path in checkpoints} | {config["criterion"]}
    return ", ".join(sorted(filter(None, said))) or None

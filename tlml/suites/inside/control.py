"""Lets an agent learn in each target task, and measures it after given numbers of steps."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden

from tlml.errors import TlmlError
from tlml.finetuning.callback import Adapt
from tlml.learners.acting import Acting
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner
from tlml.metrics.seconds import Seconds, now
from tlml.suites.inside.costs import costs_of_fits
from tlml.suites.inside.ingredients import (
    load_fitted,
    make_domain,
    make_learner,
    make_strategy,
    result_of,
)
from tlml.suites.inside.share import Report, part_of
from tlml.suites.results import Record, Walk
from tlml.views.env import Environments, EnvView, known_tasks

CONTROL_SEED = 0  # the key of evaluation episodes, for every method and seed


class Measured(NamedTuple):
    """What an agent did in one target task after some steps in it, and how long these took."""

    returns: list[float]
    lengths: list[int]
    spent: Seconds

    @property
    def mean(self) -> float:
        """The mean return."""
        return float(np.mean(self.returns))

    @classmethod
    def of(cls, played: Sequence[tuple[float, int]], spent: Seconds) -> Measured:
        """Return episodes, with their returns and steps, as what was measured."""
        totals, lengths = zip(*played, strict=True)
        return cls([*totals], [*lengths], spent)


def check_control(config: dict[str, Any]) -> None:
    """Make everything that acting needs, so that wrong values show before the first run.

    Raises:
        TlmlError: Something can't be made, or the learner does not act.
    """
    domain, learner = make_domain(config), make_learner(config)
    make_strategy(config["strategy"], config["strategy_options"])
    view = _view(config, domain, 0)
    learner.meet(view.spaces)
    learner.check(view)
    _set_rate(_acting(learner, config), config)


def run_control(config: dict[str, Any], checkpoints: list[Path], report: Report) -> list[Record]:
    """Learn in each target task, and return a record for each number of steps.

    Args:
        config: Of the cell.
        checkpoints: The fit, or none: an untrained agent.
        report: Takes the share that is done.
    """
    domain = make_domain(config)
    tasks = _number_of_tasks(config, domain)
    found: list[list[Measured]] = []
    mazes: dict[str, Walk] = {}
    for task in range(tasks):
        view = _view(config, domain, task)
        learner = load_fitted(checkpoints[0], config) if checkpoints else make_learner(config)
        learner.meet(view.spaces)
        agent = _acting(learner, config)
        found.append(_learn(agent, view, config, part_of(report, task, tasks)))
        (environments,) = next(iter(view.test_dataloader()))
        if (maze := agent.walked(environments.task)) is not None:
            mazes[environments.task.name] = Walk(**maze)
    records = [_record(config, checkpoints, found, number) for number in range(len(found[0]))]
    return [*records[:-1], records[-1].model_copy(update={"mazes": mazes})]


class Milestones(pl.Callback):
    """Measures an agent when it passes each number of steps.

    Args:
        at: The numbers of steps, beginning with 0.
        environments: Where to act.
        report: Takes the share that is done.
    """

    def __init__(self, at: list[int], environments: Environments, report: Report) -> None:
        self.at, self.environments, self.report = at, environments, report
        self.found: list[Measured] = []
        self._spent, self._since = Seconds(), Seconds()

    def measure(self, agent: Acting) -> None:
        """Act in all environments and keep what came of it."""
        self.found.append(Measured.of(agent.played(self.environments), self._spent))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what the strategy begins with, and start the clock."""
        agent: Any = pl_module
        self.measure(agent)
        self._since = now()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Measure where a number of steps was passed; the clock stands meanwhile."""
        self._spent += now() - self._since
        agent: Any = pl_module
        steps = int(agent.env_steps)
        while len(self.found) < len(self.at) and self.at[len(self.found)] <= steps:
            self.measure(agent)
        self.report(min(steps / self.at[-1], 1.0))
        self._since = now()


def _learn(agent: Acting, view: EnvView, config: dict[str, Any], report: Report) -> list[Measured]:
    """Let an agent learn in a target task, and return what it did after each number of steps."""
    at = config["env_steps"]
    (environments,) = next(iter(view.test_dataloader()))
    milestones = Milestones(at, environments, report)
    strategy = make_strategy(config["strategy"], config["strategy_options"])
    if isinstance(agent, GradientLearner) and agent.adapts_by_acting:
        view.adapt = strategy
        return _adapt(agent, view, environments, milestones)
    learns = is_overridden("training_step", agent) and (strategy is None or strategy.max_steps)
    callbacks: list[pl.Callback] = [milestones]
    if strategy is not None and learns:
        callbacks.append(Adapt(strategy, seed=config["seed"]))
    if learns:
        agent.begin_anew(at[-1])
        _set_rate(agent, config)
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_epochs=-1, logger=False, callbacks=callbacks,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            limit_val_batches=0,
        )  # fmt: skip
        trainer.fit(agent, datamodule=view)
    if len(milestones.found) < len(at):  # it learns nothing at all, or without steps
        milestones.measure(agent)
    while len(milestones.found) < len(at):
        milestones.found.append(milestones.found[-1])
    return milestones.found


def _adapt(
    agent: GradientLearner, view: EnvView, environments: Environments, milestones: Milestones
) -> list[Measured]:
    """Let an agent adapt by its strategy's steps, as many as there are or as the steps allow."""
    at, found, spent = milestones.at, milestones.found, Seconds()
    since = now()
    for each in agent.adaptation(environments, view):
        spent += now() - since
        passed = sum(steps <= each.env_steps for steps in at) - len(found)
        if passed:
            played = agent.played_with(each.problem, each.params, environments)
            found += [Measured.of(played, spent)] * passed
        milestones.report(min(each.env_steps / max(at[-1], 1), 1.0))
        if len(found) == len(at):
            return found
        since = now()
    last = Measured.of(agent.played_with(each.problem, each.params, environments), spent)
    return [*found, *[last] * (len(at) - len(found))]


def _set_rate(agent: Any, config: dict[str, Any]) -> None:
    """Let an agent learn at the rate that the method's options say, where they do."""
    adapts = isinstance(agent, GradientLearner) and agent.adapts_by_acting
    if "lr" not in config["strategy_options"] or adapts:
        return
    if not hasattr(agent, "lr"):
        raise TlmlError(f"lr: {config['learner']} has no learning rate to set; leave it out")
    agent.lr = config["strategy_options"]["lr"]


def _record(
    config: dict[str, Any], checkpoints: list[Path], found: list[list[Measured]], number: int
) -> Record:
    steps = config["env_steps"][number]
    at = [own[number] for own in found]
    fits = [result_of(one) for one in checkpoints]
    return Record(
        protocol=config["protocol"],
        point={"env_steps": steps},
        metric="return",
        higher_is_better=True,
        units=[f"{task}/{n}" for task, own in enumerate(at) for n in range(len(own.returns))],
        tasks=[str(task) for task, own in enumerate(at) for _ in own.returns],
        scores=[total for own in at for total in own.returns],
        metrics={"length": float(np.mean([length for own in at for length in own.lengths]))},
        cost={
            **costs_of_fits(checkpoints),
            "source_steps": sum(fit["cost"].get("env_steps", 0) for fit in fits),
            "env_steps": steps,
            **sum((own.spent for own in at), Seconds()).rounded().named("adapt"),
            **_to_threshold(config, found),
        },
        learner=config["learner"],
        strategy=config["strategy"],
        options=config["strategy_options"],
    )


def _to_threshold(config: dict[str, Any], found: list[list[Measured]]) -> dict[str, float]:
    """Return after how many steps tasks were solved, their median, and how many were not."""
    if config["threshold"] is None:
        return {}
    reached = [
        next((steps for steps, one in zip(config["env_steps"], own, strict=True)
              if one.mean >= config["threshold"]), None)
        for own in found
    ]  # fmt: skip
    known = [steps for steps in reached if steps is not None]
    told = {"not_reached": float(len(reached) - len(known))}
    return told | ({"steps_to_threshold": float(statistics.median(known))} if known else {})


def _view(config: dict[str, Any], domain: Any, task: int) -> EnvView:
    # Training environments are keyed by the seed; those that judge are the same for all.
    given = {**config["view"], "task": task, "train_split": "target", "split": "target"}
    return EnvView(domain, **given, seed=config["seed"], judging_seed=CONTROL_SEED)


def _number_of_tasks(config: dict[str, Any], domain: Any) -> int:
    most = int(config["view"].get("test_tasks", 20))
    known = known_tasks(domain, "target")
    return most if known is None else min(most, len(known))


def _acting(learner: Learner, config: dict[str, Any]) -> Acting:
    if not isinstance(learner, Acting):
        raise TlmlError(
            f"learner {config['learner']}: it does not live on in environments (it is no "
            "tlml.learners.Acting), so it can't learn for a number of steps in them"
        )
    return learner

"""A stranger's plugin: agents in environments, and the protocol that compares them in suites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlml import Spec, hookimpl
from tlml.suites import Description, Keys, Meeting, Numbers, Protocol, Record, Trial

TASKS, SEEDS, HORIZON = 3, 2, 9  # target tasks, evaluation seeds of each, steps of a walk


class WalkingKeys(Keys):
    """What a domain says.

    Args:
        walk_steps: Steps in the target's environments to compare at, from 0.
    """

    walk_steps: Numbers


class Walking(Protocol[WalkingKeys]):
    """A record holds the returns of walks to target goals after some steps of adaptation."""

    name = "walking"
    word = "env"
    keys = WalkingKeys
    shown = Description(
        axis="walk_steps",
        unit="steps in the target environment",
        one="step",
        many="steps",
        paired="target task and evaluation seed",
        columns={"length": "length", "fit_seconds": "fit s"},
    )

    def trials(self, meeting: Meeting, keys: WalkingKeys) -> Iterator[Trial]:
        """Plan one run for all numbers of steps: it is measured when it passes them."""
        for seed in meeting.suite.seeds:
            fits = [meeting.fit_cell(seed)] if meeting.fit else []
            config = meeting.config(seed, fits) | {
                "walk_steps": list(keys.walk_steps), "envs": meeting.entry.view["envs"]
            }  # fmt: skip
            yield Trial({"walk_steps": list(keys.walk_steps)}, seed, fits, config)

    def run(
        self, config: dict[str, Any], checkpoints: Sequence[Path], report: Callable[[float], None]
    ) -> list[Record]:
        """Measure the learner after each number of steps."""
        import tlml

        domain = tlml.domain(config["domain"], **config["domain_options"])
        view = tlml.EnvView(domain, envs=config["envs"])
        if checkpoints:
            learner = tlml.load(checkpoints[0])
        else:
            learner = tlml.learner(config["learner"], seed=config["seed"], **config["options"])
            learner.meet(view.spaces)
        records = []
        for number, steps in enumerate(config["walk_steps"]):
            records.append(self._record(config, learner, view, steps))
            report((number + 1) / len(config["walk_steps"]))
        return records

    def _record(self, config: dict[str, Any], learner: Any, view: Any, steps: int) -> Record:
        import tlml
        from tlml.views import Environments

        options = {**config["strategy_options"], "steps": steps // (config["envs"] * HORIZON)}
        learner.strategy = tlml.strategy(config["strategy"], **options)
        units, tasks, scores = [], [], []
        for task in range(TASKS):
            drawn = view.dataset("target")[task]
            for seed in range(SEEDS):
                learner.rollouts.clear()
                units.append(f"{task}/{seed}")
                tasks.append(str(task))
                walk = Environments(drawn.task, drawn.index, drawn.number, seed)
                scores.append(float(np.mean(learner.play(walk))))
        return Record(
            protocol=self.name, point={"walk_steps": steps}, metric="return", higher_is_better=True,
            units=units, tasks=tasks, scores=scores, metrics={"length": HORIZON},
            cost={"env_steps": steps},
            learner=config["learner"], strategy=config["strategy"], options=options,
        )  # fmt: skip


@hookimpl
def tlml_domains() -> list[Spec]:
    """Walks to goals."""
    gives = frozenset({"env", "control"})
    return [Spec("walks", "tlml.testing.toys:Walks", "walks to goals", gives=gives)]


@hookimpl
def tlml_learners() -> list[Spec]:
    """The agent of the conformance tests."""
    gives, needs = frozenset({"rollouts"}), ("env", "control", "differentiable")
    return [Spec("walker", "reinforce:Reinforce", "REINFORCE", gives=gives, needs=needs)]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Its inner loop."""
    gives = frozenset({"differentiable"})
    return [Spec("descent", "tlml.testing.toys:Descent", "descent", gives=gives)]


@hookimpl
def tlml_protocols() -> list[Spec]:
    """What agents are compared over."""
    return [Spec("walking", "walking:Walking", "walk_steps: [0, 200]", needs=("env",))]

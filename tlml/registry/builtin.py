"""The core's own plugin: what belongs to no package under ``plugins/``."""

from __future__ import annotations

from tlml.hookspecs import hookimpl
from tlml.spec import Spec


@hookimpl
def tlml_learners() -> list[Spec]:
    """The learner that runs strategies without a network."""
    return [
        Spec(
            "estimator",
            "tlml.learners.estimator:Estimator",
            "predicts without a network: in closed form, or by a model on source examples",
            gives=frozenset({"estimates"}),
            needs=("pair",),
        )
    ]


@hookimpl
def tlml_protocols() -> list[Spec]:
    """What suites compare over."""
    return [
        Spec(
            "episodes",
            "tlml.suites.protocols.episodes:EpisodesProtocol",
            "adapt to target episodes; in a suite: shots: [1, 5]",
            needs=("episodes",),
        ),
        Spec(
            "stream",
            "tlml.suites.protocols.stream:StreamProtocol",
            "learn tasks one after another, retain them; in a suite: stream: {tasks: 20}",
            needs=("stream",),
        ),
        Spec(
            "control",
            "tlml.suites.protocols.control:ControlProtocol",
            "act in target environments after some steps in them; env_steps: [0, 10000]",
            needs=("env",),
        ),
    ]

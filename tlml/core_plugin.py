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
            "tlml.estimator:Estimator",
            "predicts by a strategy's closed form, without a network",
            gives=frozenset({"estimates"}),
            needs=("estimates",),
        )
    ]

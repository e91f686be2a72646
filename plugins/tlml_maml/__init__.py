"""Model-agnostic meta-learning: learners and the inner loops that they learn through."""

from __future__ import annotations

from tlml import Spec, hookimpl

_FINN = "Finn, Abbeel & Levine 2017, arXiv 1703.03400"


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the meta-learners."""
    return [
        Spec(
            "maml",
            "tlml_maml.maml:Maml",
            "MAML: an initialisation from which a few gradient steps suffice",
            paper=_FINN,
            approach="meta-learning",
            gives=frozenset({"loss", "features"}),
            needs=("episodes", "differentiable", "regression|classification"),
        )
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Return the inner loops."""
    return [
        Spec(
            "sgd",
            "tlml_maml.sgd:Sgd",
            "k gradient steps that can be differentiated: MAML's inner loop",
            paper=_FINN,
            approach="model-transfer",
            gives=frozenset({"differentiable"}),
            needs=("loss",),
        )
    ]

"""Tides for tlml: a domain, a learner and a strategy."""

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains():
    return [
        Spec(
            "tides",
            "tides_tlml.domain:Tides",
            "sea level at harbours, from the hour",
            gives={"pair", "episodes", "stream", "regression", "finite"},
        )
    ]


@hookimpl
def tlml_learners():
    return [
        Spec(
            "averaging",
            "tides_tlml.learner:Reptile",
            "an initialisation pulled towards adapted parameters",
            paper="Nichol, Achiam & Schulman 2018, arXiv 1803.02999",
            approach="meta-learning",
            gives={"loss", "features"},
            needs=("episodes", "regression|classification"),
        )
    ]


@hookimpl
def tlml_strategies():
    return [
        Spec(
            "heavy_ball",
            "tides_tlml.strategy:HeavyBall",
            "gradient steps with momentum",
            paper="Polyak 1964",
            approach="model-transfer",
            gives={"differentiable"},
            needs=("loss",),
        )
    ]

"""A plugin for tests of suites: its classes are read as source and never run."""

from __future__ import annotations

from functools import cache
from typing import Any

from tlml import Spec, hookimpl
from tlml.registry import Registry, installed_plugins

EXAMPLE = """\
name: quick
seeds: 2
domains:
  waves: {shots: [5, 10], view: {queries: 3}}
  letters14: {domain: letters, shots: 1, options: {size: 14}, learner: {network: conv4}}
fits:
  pre: {learner: supervised, options: {lr: 1e-3}, trainer: {max_epochs: 10}}
  maml: {learner: maml, strategy: sgd, strategy_options: {lr: 0.4}}
methods:
  scratch: {strategy: scratch}
  full: {fit: pre, strategy: full, tune: {lr: [0.001, 0.1, log]}}
  maml: {fit: maml, strategy: sgd, options: {steps: 5}}
"""


def stub_registry() -> Registry:
    """Return a registry that holds this plugin and nothing else but the core."""
    import suite_stubs

    registry = Registry(block=_installed())
    registry.register(suite_stubs, "stubs")
    return registry


_installed = cache(installed_plugins)  # it reads the metadata of all packages


@hookimpl
def tlml_domains() -> list[Spec]:
    """Two domains to compare on, and one that has no episodes."""
    both = frozenset({"pair", "episodes"})
    return [
        Spec("waves", "suite_stubs:Waves", "waves", gives=both | {"regression"}),
        Spec("letters", "suite_stubs:Letters", "letters", gives=both | {"classification"}),
        Spec("robots", "suite_stubs:Robots", "robots", gives=frozenset({"env", "control"})),
    ]


@hookimpl
def tlml_learners() -> list[Spec]:
    """One that needs no strategy, one that trains through it, one without options of networks."""
    return [
        Spec(
            "supervised",
            "suite_stubs:Supervised",
            "pooled",
            gives=frozenset({"loss", "features"}),
            needs=("pair",),
        ),
        Spec(
            "maml",
            "suite_stubs:Maml",
            "through adaptation",
            gives=frozenset({"loss"}),
            needs=("episodes", "differentiable"),
        ),
        Spec("centroid", "suite_stubs:Centroid", "means", needs=("episodes",)),
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Some that act when adapting only, and one that takes part in training."""
    return [
        Spec("scratch", "suite_stubs:Scratch", "anew", needs=("loss",)),
        Spec("full", "suite_stubs:Full", "all", needs=("loss",)),
        Spec(
            "sgd", "suite_stubs:Sgd", "steps", gives=frozenset({"differentiable"}), needs=("loss",)
        ),
        Spec("mmd", "suite_stubs:Mmd", "align", gives=frozenset({"aligns"}), needs=("features",)),
        Spec("hidden", "nowhere_at_all:Hidden", "no source", needs=("loss",)),
    ]


class Waves:
    """Regression."""

    def __init__(self, noise: float = 0.0) -> None: ...


class Letters:
    """Classification."""

    def __init__(self, size: int = 28) -> None: ...


class Robots:
    """Control."""


class _Learner:
    def __init__(self, network: str = "auto", lr: float = 0.001, seed: int = 0) -> None: ...


class Supervised(_Learner):
    """Takes no strategy by default."""

    def __init__(self, strategy: str | None = None, **options: Any) -> None: ...


class Maml(_Learner):
    """Trains through sgd by default."""

    def __init__(
        self, first_order: bool = False, strategy: str = "sgd", **options: Any
    ) -> None: ...


class Centroid:
    """Has no network of its own."""

    def __init__(self, pretrained: str | None = None) -> None: ...


class _Strategy:
    def __init__(self, lr: float = 0.01, steps: int = 50) -> None: ...


class Scratch(_Strategy):
    """Anew."""


class Full(_Strategy):
    """All parameters."""


class Sgd(_Strategy):
    """Gradient steps."""


class Mmd(_Strategy):
    """Has an option without a default."""

    def __init__(self, weight: float, **options: Any) -> None: ...

"""The domains and the strategy that a learner is checked with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any

from tlml.data.domains import Domain
from tlml.learners.learner import Learner
from tlml.make import domain as make_domain
from tlml.registry.registry import default_registry
from tlml.spec import Kind, Spec, unmet
from tlml.strategies.strategy import Strategy
from tlml.testing import toys
from tlml.testing.failure import CheckFailed
from tlml.testing.subject import Subject
from tlml.testing.toys import TOYS, Descent, Nearest, Planes, Walks
from tlml.views.env import EnvView

# Options that make a view small, by its word.
_SMALL: dict[str, dict[str, Any]] = {
    "env": {"tasks_per_batch": 2, "tasks": 4, "test_tasks": 2},
    "episodes": {"shots": 2, "queries": 2, "tasks_per_batch": 2, "episodes": 4},
    "pair": {"batch_size": 4, "shots": 1, "queries": 2, "unlabelled": True, "samples": 8},
    "stream": {"batch_size": 4},
}


def domains_for(subject: Subject, cls: type[Learner]) -> list[Domain[Any]]:
    """Return small domains that give a learner what its spec needs: ours, else a registered one.

    Raises:
        CheckFailed: No domain is known that does.
    """
    if subject.spec is None:
        return [Walks() if issubclass(cls.view_type, EnvView) else Planes()]
    found = dict.fromkeys(_working(subject.spec, cls, TOYS))
    if found:
        return [_toy(name) for name in found]
    for name in _working(subject.spec, cls, _registered()):
        return [make_domain(name)]
    raise CheckFailed(
        f"{subject.label}: no domain and strategy together give what it needs "
        f"({', '.join(subject.spec.needs)}); pass domain= or mend needs"
    )


def strategy_for(subject: Subject, cls: type[Learner]) -> Strategy | None:
    """Return a strategy where the learner can't be made without one."""
    parameter = inspect.signature(cls).parameters.get("strategy")
    if parameter is None or parameter.default is not parameter.empty:
        return None
    estimates = subject.spec is not None and any("estimates" in n for n in subject.spec.needs)
    return Nearest() if estimates else Descent()


def small_view(cls: type[Learner]) -> dict[str, Any]:
    """Return options that make the view of a learner small."""
    return dict(_SMALL.get(cls.view_type.word, {}))


def _working(
    learner: Spec, cls: type[Learner], known: tuple[tuple[Kind, Spec], ...]
) -> Iterator[str]:
    seen = cls.view_type.word
    domains = [spec for kind, spec in known if kind == "domain"]
    strategies = [spec for kind, spec in known if kind == "strategy"]
    for domain, strategy in product(domains, [*strategies, *_default_strategy(cls)]):
        if seen in domain.gives and not unmet(learner, domain.gives | strategy.gives):
            yield domain.name


def _default_strategy(cls: type[Learner]) -> list[Spec]:
    """Return the spec of the strategy that a learner takes where none is named."""
    parameter = inspect.signature(cls).parameters.get("strategy")
    name = parameter.default if parameter is not None else None
    return [spec for kind, spec in _registered() if (kind, spec.name) == ("strategy", name)]


def _registered() -> tuple[tuple[Kind, Spec], ...]:
    registry = default_registry()
    kinds: tuple[Kind, ...] = ("domain", "strategy")
    return tuple((kind, spec) for kind in kinds for spec in registry.specs(kind))


def _toy(name: str) -> Domain[Any]:
    target = next(spec.target for _, spec in TOYS if spec.name == name)
    made: Domain[Any] = getattr(toys, target.partition(":")[2])()
    return made

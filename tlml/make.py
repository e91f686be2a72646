"""Make domains, learners and strategies by name: `tlml.domain` and its like."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.options import check_options, options_of
from tlml.registry.registry import Registry, default_registry

if TYPE_CHECKING:
    from tlml.data.domains import Domain
    from tlml.learners.learner import Learner
    from tlml.spec import Kind
    from tlml.strategies.strategy import Strategy

_BASES: dict[Kind, tuple[str, str]] = {
    "domain": ("tlml.data.domains", "Domain"),
    "learner": ("tlml.learners", "Learner"),
    "strategy": ("tlml.strategies", "Strategy"),
}


def domain(name: str, /, **options: Any) -> Domain[Any]:
    """Make the domain of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Domain[Any] = build("domain", name, options)
    return made


def learner(name: str, /, **options: Any) -> Learner:
    """Make the learner of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Learner = build("learner", name, options)
    return made


def strategy(name: str, /, **options: Any) -> Strategy:
    """Make the strategy of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Strategy = build("strategy", name, options)
    return made


def build(kind: Kind, name: str, options: dict[str, Any], registry: Registry | None = None) -> Any:
    """Make an instance by name from a registry, by default that of the process."""
    if not isinstance(name, str):
        raise TlmlError(f"{kind}: a name is needed, is {name!r}")
    cls = (registry or default_registry()).resolve(kind, name)
    if "." in name:
        _check_base(kind, name, cls)
    check_options(f"{kind} {name}", options_of(cls), options)
    return cls(**options)


def _check_base(kind: Kind, name: str, cls: type[Any]) -> None:
    module, base = _BASES[kind]
    if not issubclass(cls, getattr(import_module(module), base)):
        raise TlmlError(f"{kind} {name}: the class is no {kind}, for it isn't a tlml.{base}")

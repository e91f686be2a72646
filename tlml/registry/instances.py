"""From a name and options to what is registered under it. Its class is imported here, torch too."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.options import check_options, options_of
from tlml.registry.registry import Registry, default_registry

if TYPE_CHECKING:
    from tlml.spec import Kind

_BASES: dict[Kind, tuple[str, str]] = {
    "domain": ("tlml.data.domains", "Domain"),
    "learner": ("tlml.learners", "Learner"),
    "strategy": ("tlml.strategies", "Strategy"),
}


def build(kind: Kind, name: str, options: dict[str, Any], registry: Registry | None = None) -> Any:
    """Make an instance by name from a registry, by default that of the process."""
    if not isinstance(name, str):
        raise TlmlError(f"{kind}: expected a name, got {name!r}")
    cls = (registry or default_registry()).resolve(kind, name)
    if "." in name:
        _check_base(kind, name, cls)
    check_options(f"{kind} {name}", options_of(cls), options)
    return cls(**options)


def _check_base(kind: Kind, name: str, cls: type[Any]) -> None:
    module, base = _BASES[kind]
    if not issubclass(cls, getattr(import_module(module), base)):
        raise TlmlError(f"{kind} {name}: {cls.__name__} is not a subclass of tlml.{base}")

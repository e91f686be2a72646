"""Stable import paths of registered names: ``tlml.names.learner.maml`` is MAML's class.

They stay when a plugin moves its classes, so configuration files hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.registry import default_registry

if TYPE_CHECKING:
    from tlml.spec import Kind


def attributes(kind: Kind) -> tuple[Callable[[str], type[Any]], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of the module of one kind (PEP 562)."""
    return partial(lookup, kind), partial(listing, kind)


def lookup(kind: Kind, name: str) -> type[Any]:
    """Return the class of a registered name, as a module's ``__getattr__`` does.

    Raises:
        AttributeError: Nothing of this kind has the name.
        TlmlError: It has one whose class can't be imported.
    """
    if name.startswith("_"):
        raise AttributeError(f"module 'tlml.names.{kind}' has no attribute '{name}'")
    registry = default_registry()
    try:
        registry.spec(kind, name)
    except TlmlError as error:
        raise AttributeError(str(error)) from None
    return registry.resolve(kind, name)


def listing(kind: Kind) -> list[str]:
    """Return all registered names of one kind."""
    return [spec.name for spec in default_registry().specs(kind)]

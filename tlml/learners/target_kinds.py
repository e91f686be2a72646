"""Whether targets are of the kind that a learner or a strategy needs."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Box, Discrete, Space

from tlml.errors import TlmlError
from tlml.registry.registry import default_registry
from tlml.spec import Kind

_CLASSES = frozenset({"classification"})
_VALUES = frozenset({"regression", "reconstruction"})


def check_target_kind(kind: Kind, cls: type[Any], y: Space[Any]) -> None:
    """Raise where a registered class needs classes and targets are values, or the other way round.

    A domain's spec tells it before, unless its options decide what its targets are.

    Args:
        kind: What the class is.
        cls: The class.
        y: The targets' space.

    Raises:
        TlmlError: They don't go together.
    """
    registry = default_registry()
    name = registry.name_of(cls)
    if "." in name or not isinstance(y, Box | Discrete):  # a path has no spec
        return
    are = _CLASSES if isinstance(y, Discrete) else _VALUES
    for need in registry.spec(kind, name).needs:
        words = frozenset(need.split("|"))
        if words <= _CLASSES | _VALUES and words.isdisjoint(are):
            asked, found = ("classes", "values") if words <= _CLASSES else ("values", "classes")
            raise TlmlError(
                f"{kind} {name} needs targets that are {asked}, and these are {found}; take "
                f"another {kind}, or another target"
            )

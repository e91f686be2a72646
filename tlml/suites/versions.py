"""The versions of what a cell runs, which are part of its id."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from tlml.version import tlml_version

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind

_KINDS: tuple[Kind, ...] = ("domain", "learner", "strategy", "protocol")


class Versions:
    """Says what cells run in which version; the metadata of a package is read once for all.

    Reading it takes a millisecond, which was nearly all of the time of planning.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._always = {"tlml": tlml_version(), "torch": _installed("torch")}
        self._brought: dict[tuple[Kind, str], dict[str, str]] = {}

    def of(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return the versions of all that a cell runs: another release may give other numbers."""
        found = dict(self._always)
        for kind in _KINDS:
            if name := config.get(kind):
                found |= self._of_plugin(kind, name)
        return found

    def _of_plugin(self, kind: Kind, name: str) -> dict[str, str]:
        if (kind, name) not in self._brought:
            plugin = self._registry.plugin_of(kind, name)
            known = {plugin.distribution: plugin.version} if plugin.distribution else {}
            self._brought[kind, name] = known
        return self._brought[kind, name]


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"

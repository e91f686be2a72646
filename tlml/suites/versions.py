"""The versions of what a cell runs, which are part of its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from tlml.registry.source_code import SourceCode
from tlml.suites.schema import LEARNER
from tlml.version import tlml_version

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind

_KINDS: tuple[Kind, ...] = ("domain", "learner", "strategy", "protocol")
_NETWORK = "network"


class Versions:
    """Says what cells run in which version; packages are read once for all.

    Reading metadata takes a millisecond, which was nearly all of the time of planning.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._code = SourceCode()
        self._always = {"tlml": tlml_version(), "torch": _installed("torch")} | self._of_code(
            "tlml"
        )
        self._brought: dict[tuple[Kind, str], dict[str, str]] = {}

    def of(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return the versions of all that a cell runs: another release may give other numbers.

        What is no release has a digest of its code beside, as ``"PACKAGE (code)"``.
        """
        found = dict(self._always)
        for kind in _KINDS:
            if name := config.get(kind):
                found |= self._of_plugin(kind, name)
        for path in _networks(config):
            found |= self._of_code(path.rpartition(".")[0])
        return found

    def _of_plugin(self, kind: Kind, name: str) -> dict[str, str]:
        if (kind, name) not in self._brought:
            plugin = self._registry.plugin_of(kind, name)
            known = {plugin.distribution: plugin.version} if plugin.distribution else {}
            module = self._registry.spec(kind, name).target.partition(":")[0]
            self._brought[kind, name] = known | self._of_code(module)
        return self._brought[kind, name]

    def _of_code(self, module: str) -> dict[str, str]:
        return {f"{name} (code)": digest for name, digest in self._code.of(module).items()}


def _networks(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the networks that a cell names by the path of their class."""
    tuned = config.get("tune", {}).get(f"{LEARNER}{_NETWORK}", {})
    values = tuned.get("values", ()) if isinstance(tuned, Mapping) else ()
    for value in (config.get("options", {}).get(_NETWORK), *values):
        if isinstance(value, str) and "." in value:
            yield value


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"

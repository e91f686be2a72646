"""Which plugins are installed: the entry points of all distributions, each read by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata

from tlml.errors import TlmlError

GROUP = "tlml"
OURS = "tlml"  # the distribution that brings the built-ins
CORE = "core"


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin before it is loaded.

    Args:
        name: Of its entry point.
        load: Imports its module.
        distribution: What was installed to bring it.
        version: Of the distribution.
        module: The path of its module; "" where the entry point can't be read.
    """

    name: str
    load: Callable[[], object]
    distribution: str
    version: str
    module: str


def installed() -> Iterator[Installed]:
    """Yield the core's own plugin, then the built-ins, then all others by distribution and name."""
    found = sorted(_found(), key=lambda one: (one.distribution != OURS, one.distribution, one.name))
    version = next((one.version for one in found if one.distribution == OURS), "")
    core = "tlml.registry.builtin"
    yield Installed(CORE, functools.partial(import_module, core), OURS, version, core)
    yield from found


def installed_plugins() -> list[str]:
    """Return the names of all installed plugins, importing none of them."""
    return [one.name for one in installed()]


def plugin_packages() -> set[str]:
    """Return the top-level packages that the modules of installed plugins are in."""
    return {one.module.partition(".")[0] for one in installed()} - {""}


def malformed() -> list[str]:
    """Return the names of distributions whose entry points can't be read."""
    return sorted(one.distribution for one in _one_by_one(every=True) if not one.module)


def _found() -> Iterator[Installed]:
    try:
        points = list(metadata.entry_points(group=GROUP))
    except Exception:  # one malformed entry_points.txt, of whatever package, fails them all
        yield from _one_by_one()
        return
    for point in points:
        yield _plugin(point, *_owner(point.dist))


def _one_by_one(every: bool = False) -> Iterator[Installed]:
    """Read each distribution; of those that can't be read, those that may be ours, or `every`."""
    seen = set()
    for distribution in metadata.distributions():
        owner, version = _owner(distribution)
        if owner in seen:  # the first on the path is the one that Python imports
            continue
        seen.add(owner)
        try:
            points = distribution.entry_points.select(group=GROUP)
        except Exception as error:
            if every or _may_be_ours(distribution):
                yield Installed(owner, _failing(owner, error), owner, version, "")
            continue
        for point in points:
            yield _plugin(point, owner, version)


def _plugin(point: metadata.EntryPoint, owner: str, version: str) -> Installed:
    return Installed(point.name, point.load, owner, version, point.value.partition(":")[0].strip())


def _may_be_ours(distribution: metadata.Distribution) -> bool:
    """Return whether a file that can't be read as entry points speaks of ours."""
    try:
        return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")
    except (OSError, ValueError):  # of bytes that are no text, nothing is known
        return False


def _failing(owner: str, error: Exception) -> Callable[[], object]:
    def load() -> object:
        raise TlmlError(f"entry_points.txt of {owner} is malformed; install it anew") from error

    return load


def _owner(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Return a distribution's name and version; damaged metadata stops nothing."""
    try:
        return (distribution.name or "", distribution.version or "") if distribution else ("", "")
    except (KeyError, TypeError, OSError, ValueError):
        return "", ""

"""The registry: which domains, learners, strategies and protocols there are."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

from tlml.errors import MOST_NAMES, TlmlError, did_you_mean, unknown
from tlml.registry.combinations import ALONE, Trio, Verdict, judge, working
from tlml.registry.installed import CORE, installed
from tlml.registry.plugins import Plugin, aside, load_plugin, one_line
from tlml.spec import ALL_KINDS, KINDS, Kind, Spec


@functools.cache
def default_registry() -> Registry:
    """Return the registry of this process, made at its first use."""
    return Registry()


class Registry:
    """All installed plugins, each loaded alone: a broken one breaks no other.

    The core's own plugin comes first, then the built-ins, then all others by distribution and
    name; of two plugins that declare the same name the later one is broken.

    Args:
        block: Plugins to leave out, besides those named by ``TLML_BLOCK=a,b``.
        strict: Raise at the first broken plugin; by default where ``TLML_STRICT=1``.

    Raises:
        TlmlError: A plugin is broken, and `strict` is on.
    """

    def __init__(self, block: Iterable[str] = (), strict: bool | None = None) -> None:
        self._plugins: list[Plugin] = []
        self._specs: dict[Kind, dict[str, Spec]] = {kind: {} for kind in ALL_KINDS}
        if strict is None:
            strict = os.environ.get("TLML_STRICT") == "1"
        out = {*block, *os.environ.get("TLML_BLOCK", "").replace(",", " ").split()}
        for one in installed():
            if one.name == CORE or one.name not in out:
                self._add(one.name, one.load, one.distribution, one.version, strict)

    @property
    def plugins(self) -> list[Plugin]:
        """All plugins in the order of loading, broken ones too."""
        return list(self._plugins)

    def register(self, module: object, name: str) -> Plugin:
        """Add a plugin that no distribution brings, such as one written in a script.

        Raises:
            TlmlError: It is broken; nothing of it is kept.
        """
        return self._add(name, lambda: module, strict=True)

    def unregister(self, name: str) -> None:
        """Forget a plugin and all that it declares, as though it had never been registered."""
        for plugin in [plugin for plugin in self._plugins if plugin.name == name]:
            self._plugins.remove(plugin)
            for kind, spec in plugin.declared:
                del self._specs[kind][spec.name]

    def specs(self, kind: Kind) -> list[Spec]:
        """Return what is registered of one kind, by name."""
        return [self._specs[kind][name] for name in sorted(self._specs[kind])]

    def spec(self, kind: Kind, name: str) -> Spec:
        """Return the spec of one name.

        Raises:
            TlmlError: Nothing of this kind has the name.
        """
        if name not in self._specs[kind]:
            error = unknown(kind, name, self._specs[kind])
            raise TlmlError(f"{error}{self._elsewhere(name, kind)}")
        return self._specs[kind][name]

    def plugin_of(self, kind: Kind, name: str) -> Plugin:
        """Return the plugin that brings a name."""
        self.spec(kind, name)
        return next(plugin for plugin in self._plugins if name in plugin.names(kind))

    def resolve(self, kind: Kind, name: str) -> type[Any]:
        """Import the class of a registered name, or of a path such as ``package.module.Class``.

        Raises:
            TlmlError: The name is unknown, or the class can't be imported.
        """
        if "." in name:
            return _imported(f"{kind} {name}", *name.rsplit(".", 1))
        target = self.spec(kind, name).target
        whose = f"{kind} {name} (plugin {self.plugin_of(kind, name).name}, target {target})"
        return _imported(whose, *target.split(":"))

    def name_of(self, cls: type[Any]) -> str:
        """Return the registered name of a class, or its path where it has none."""
        for spec in (spec for kind in KINDS for spec in self.specs(kind)):
            module, _, attribute = spec.target.partition(":")
            if getattr(sys.modules.get(module), attribute, None) is cls:
                return spec.name
        return f"{cls.__module__}.{cls.__qualname__}"

    def judge(self, domain: str, learner: str, strategy: str = ALONE) -> Verdict:
        """Say what names lack to go together, from specs alone, and what goes instead.

        Raises:
            TlmlError: A name is unknown.
        """
        trio = domain, learner, strategy
        for kind, name in zip(KINDS, trio, strict=True):
            if name or kind != "strategy":
                self.spec(kind, name)
        return judge(trio, self._specs)

    def check(self, domain: str, learner: str, strategy: str) -> None:
        """Refuse three names that don't go together; class paths, having no spec, pass.

        Raises:
            TlmlError: A name is unknown, or one of the three lacks what it needs.
        """
        trio = domain, learner, strategy
        known = [(kind, name) for kind, name in zip(KINDS, trio, strict=True) if "." not in name]
        for kind, name in known:
            self.spec(kind, name)
        verdict = judge(trio, self._specs) if len(known) == len(trio) else None
        if verdict and verdict.lacks:
            raise TlmlError(verdict.text())

    def trios(self, kind: Kind, name: str) -> list[Trio]:
        """Return the working (domain, learner, strategy) that hold a name."""
        self.spec(kind, name)
        return list(working(self._specs, {kind: name}))

    def partners(self, kind: Kind, name: str) -> dict[Kind, list[str]]:
        """Map each other kind to its names that some working trio joins with this one."""
        trios = self.trios(kind, name)
        return {
            other: sorted({trio[position] for trio in trios} - {ALONE})
            for position, other in enumerate(KINDS)
            if other != kind
        }

    def _add(
        self,
        name: str,
        load: Callable[[], object],
        distribution: str = "",
        version: str = "",
        strict: bool = False,
    ) -> Plugin:
        plugin, failure = load_plugin(name, load, distribution, version)
        clash = self._clash(plugin)
        if failure is None and clash:
            failure = TlmlError(clash)
            plugin = replace(plugin, declared=(), error=clash)
        if failure is not None and strict:
            raise TlmlError(f"plugin {name}: {one_line(failure)}") from failure
        self._plugins.append(plugin)
        for kind, spec in plugin.declared:
            self._specs[kind][spec.name] = spec
        return plugin

    def _elsewhere(self, name: str, kind: Kind) -> str:
        """Say what may have brought a name that is not there, and where all names are."""
        known = self._specs[kind]
        near = "did you mean" in did_you_mean(name, known)
        listed = f"; tlml list --kind {kind}" if len(known) > MOST_NAMES and not near else ""
        broken = [plugin.name for plugin in self._plugins if plugin.error]
        if not broken:
            return listed
        return f"{listed}; left out as broken, see tlml plugins: {', '.join(broken)}"

    def _clash(self, plugin: Plugin) -> str:
        """Return why a plugin can't stand beside those before it, or ""."""
        for other in self._plugins:
            if other.name == plugin.name:
                return f"two plugins are called {plugin.name}: {_whose(other)}, {_whose(plugin)}"
        for kind, spec in plugin.declared:
            if spec.name in self._specs[kind]:
                other = self.plugin_of(kind, spec.name)
                return (
                    f"{kind} '{spec.name}' is declared by plugin {other.name} "
                    f"and by plugin {plugin.name}"
                )
        return ""


def _whose(plugin: Plugin) -> str:
    return f"one of {plugin.distribution or 'a script'}"


def _imported(whose: str, module: str, name: str) -> type[Any]:
    try:
        with aside():
            found = getattr(import_module(module), name, None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a stranger's module raises at its import
        raise TlmlError(f"{whose}: {module} cannot be imported: {one_line(error)}") from error
    if not isinstance(found, type):
        names = [key for key, value in vars(sys.modules[module]).items() if isinstance(value, type)]
        raise TlmlError(f"{whose}: {module} has no class {name}{did_you_mean(name, names)}")
    return found

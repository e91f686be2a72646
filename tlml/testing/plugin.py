"""Is all that a plugin registers as it says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from tlml.errors import unknown
from tlml.registry.installed import installed
from tlml.registry.plugins import Plugin, load_plugin
from tlml.registry.registry import Registry, default_registry
from tlml.spec import Kind
from tlml.testing.alone import run_alone
from tlml.testing.failure import CheckFailed, as_it_is, doing, require

_PROBE = """
import json, sys
from tlml.registry.plugins import load_plugin
from importlib import import_module
plugin, _ = load_plugin("probe", lambda: import_module(sys.argv[1]))
print(json.dumps([plugin.error, plugin.heavy]))
"""


def check_plugin(
    plugin: ModuleType | str, options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """Check a plugin: its specs, the cost of its import, and all that it registers.

    Args:
        plugin: Its module, the module's name, or the name of its entry point.
        options: By registered name, what the check of that name is given, such as
            ``{"tides": {"options": {"folder": "..."}}}`` (see `check_domain` and its like).

    Returns:
        What was checked, such as ``["domain tides", "strategy ride"]``.

    Raises:
        CheckFailed: The first thing that is wrong, in one line.
    """
    module, name = _find(plugin)
    loaded, _ = load_plugin(name, lambda: module)
    require(not loaded.error, f"plugin {name}: {loaded.error}")
    _check_weight(name, module)
    _check_given(name, loaded, options or {})
    # Learners last: they may learn with the plugin's own strategies.
    declared = sorted(loaded.declared, key=lambda item: item[0] == "learner")
    with _registered(module, name) as registry:
        for kind, spec in declared:
            with as_it_is():
                cls = registry.resolve(kind, spec.name)
            _checks()[kind](cls, spec, **(options or {}).get(spec.name, {}))
    return [f"{kind} {spec.name}" for kind, spec in declared]


def _find(plugin: ModuleType | str) -> tuple[ModuleType, str]:
    """Return the module of a plugin, and its name: of its entry point if it has one."""
    points = {one.name: one.module for one in installed()}
    if isinstance(plugin, str):
        with doing(f"plugin {plugin}: importing it"):
            module = import_module(points.get(plugin, plugin))
    else:
        module = plugin
    names = [name for name, value in points.items() if value == module.__name__]
    return module, names[0] if names else module.__name__


def _check_weight(name: str, module: ModuleType) -> None:
    """Import the plugin alone, as ``tlml list`` does."""
    if module.__spec__ is None:
        return  # made by hand, not imported
    error, heavy = run_alone(f"plugin {name}", _PROBE, module.__name__)
    require(not error, f"plugin {name}: importing it alone fails: {error}")
    require(
        not heavy,
        f"plugin {name}: importing {module.__name__} imports {', '.join(heavy)}, which slows every "
        "command down; import them in the files of the classes, which specs only name",
    )


def _check_given(name: str, plugin: Plugin, options: Mapping[str, Any]) -> None:
    known = [spec.name for _, spec in plugin.declared]
    for given in options:
        if given not in known:
            raise CheckFailed(f"plugin {name}: options: {unknown('name', given, known)}")


@contextmanager
def _registered(module: ModuleType, name: str) -> Iterator[Registry]:
    """Let the process know a plugin that is not installed, while it is checked."""
    registry = default_registry()
    known = {plugin.name: plugin for plugin in registry.plugins}
    if name in known:
        require(not known[name].error, f"plugin {name}: {known[name].error}")
        yield registry
        return
    with as_it_is():
        registry.register(module, name)
    try:
        yield registry
    finally:
        registry.unregister(name)


def _checks() -> dict[Kind, Callable[..., None]]:
    from tlml.testing.domain import check_domain
    from tlml.testing.learner import check_learner
    from tlml.testing.protocol import check_protocol
    from tlml.testing.strategy import check_strategy

    return {
        "domain": check_domain, "learner": check_learner, "strategy": check_strategy,
        "protocol": check_protocol,
    }  # fmt: skip

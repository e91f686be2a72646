"""The small agents and their lines as a plugin, for suites."""

from __future__ import annotations

from types import ModuleType

from tlml import Spec, hookimpl
from tlml.registry import Registry


def agent_plugin() -> ModuleType:
    """Return a plugin of the learners `gradients` and `summing` and the domain `lines`."""
    module = ModuleType("small_agents")
    gives = frozenset({"env", "control", "finite", "discrete_actions"})
    specs = {
        "tlml_domains": [Spec("lines", "agents:Lines", "lines to walk on", gives=gives)],
        "tlml_learners": [
            Spec("gradients", "agents:Gradients", "plain policy gradient",
                 gives=frozenset({"policy"}), needs=("env", "control")),
            Spec("summing", "agents:Summing", "sums of rewards", needs=("env", "control")),
        ],
    }  # fmt: skip
    for name, found in specs.items():
        setattr(module, name, hookimpl(lambda found=found: found, specname=name))
    return module


def agents_registry() -> Registry:
    """Return a registry of all that is installed, and the small agents."""
    registry = Registry()
    registry.register(agent_plugin(), "small_agents")
    return registry

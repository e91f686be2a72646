"""Checks for authors of plugins: is what a spec declares true, and does it behave?

``check_plugin`` checks all that a plugin registers; pytest has it as a fixture of the same name.
The names are imported when they are used: pytest loads this package at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "CheckFailed",
    "check_domain",
    "check_learner",
    "check_plugin",
    "check_protocol",
    "check_strategy",
]

if TYPE_CHECKING:
    from tlml.testing.domain import check_domain
    from tlml.testing.failure import CheckFailed
    from tlml.testing.learner import check_learner
    from tlml.testing.plugin import check_plugin
    from tlml.testing.protocol import check_protocol
    from tlml.testing.strategy import check_strategy
else:
    _HOMES = {
        "CheckFailed": "failure",
        "check_domain": "domain",
        "check_learner": "learner",
        "check_plugin": "plugin",
        "check_protocol": "protocol",
        "check_strategy": "strategy",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'tlml.testing' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(f"tlml.testing.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})

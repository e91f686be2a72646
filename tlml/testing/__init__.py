"""Checks for authors of plugins: is what a spec declares true, and does it behave?

``check_plugin`` checks all that a plugin registers; pytest has it as a fixture of the same name.
The names are imported when they are used: pytest loads this package at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names

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
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "failure": "CheckFailed",
            "domain": "check_domain",
            "learner": "check_learner",
            "plugin": "check_plugin",
            "protocol": "check_protocol",
            "strategy": "check_strategy",
        },
    )

"""Make domains, learners and strategies by name: `tlml.domain` and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlml.registry.instances import build

if TYPE_CHECKING:
    from tlml.data.domains import Domain
    from tlml.learners.learner import Learner
    from tlml.strategies.strategy import Strategy


def domain(name: str, /, **options: Any) -> Domain[Any]:
    """Make the domain of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Domain[Any] = build("domain", name, options)
    return made


def learner(name: str, /, **options: Any) -> Learner:
    """Make the learner of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Learner = build("learner", name, options)
    return made


def strategy(name: str, /, **options: Any) -> Strategy:
    """Make the strategy of a registered name, or of a path such as ``package.module.Class``.

    Raises:
        TlmlError: The name or an option is unknown, missing or of the wrong type.
    """
    made: Strategy = build("strategy", name, options)
    return made

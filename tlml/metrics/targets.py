"""What a space of targets asks for: its metric, and the shapes of scores and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

    from tlml.data.domains import Domain


def primary(space: Space[Any], domain: Domain[Any] | None = None) -> tuple[str, bool]:
    """Return the name of the metric for a target space and whether higher is better.

    Args:
        space: The targets' space.
        domain: What the tasks are of: it may have a metric of its own.
    """
    from gymnasium.spaces import Box, Discrete

    if domain is not None and domain.metric is not None:
        return domain.metric
    if isinstance(space, Discrete):
        return "accuracy", True
    if isinstance(space, Box):
        return "mse", False
    raise TlmlError(f"targets must be Discrete (classes) or a Box (values), the space is {space}")


def check_classes(name: str, scores: Tensor, y: Tensor) -> None:
    """Raise where scores ``[n, classes]`` and classes ``[n]`` do not fit."""
    if scores.dim() != 2 or scores.shape[:1] != y.shape:
        raise TlmlError(f"{name}: needs scores [n, classes] and classes [n]{shapes(scores, y)}")


def shapes(scores: Tensor, y: Tensor) -> str:
    """Return how an error tells both shapes."""
    return f", scores are {list(scores.shape)} and targets {list(y.shape)}"

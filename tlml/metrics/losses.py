"""Losses of scores and targets. torch is imported where tensors come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError, unknown
from tlml.metrics.targets import check_classes, primary, shapes

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

Criterion = Callable[["Tensor", "Tensor"], "Tensor"]

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "bce": "binary_cross_entropy_with_logits",
        "cross_entropy": "cross_entropy",
        "huber": "huber_loss",
        "l1": "l1_loss",
        "mse": "mse_loss",
        "smooth_l1": "smooth_l1_loss",
    }
)


def loss_for(space: Space[Any], name: str | None = None) -> Criterion:
    """Return the loss ``(scores, y) -> scalar`` for targets of a space.

    Args:
        space: The targets' space.
        name: One of `LOSSES`; None follows the targets, as `criterion` does.

    Raises:
        TlmlError: An unknown name, a space that is neither Discrete nor a Box, or a loss between
            values where the targets are classes.
    """
    metric, _ = primary(space)
    if name is not None and name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    if metric == "accuracy" and name not in (None, "cross_entropy"):
        raise TlmlError(f"loss {name}: compares values, the targets are {space}; use cross_entropy")
    return partial(criterion, name=name)


def criterion(scores: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Return the mean loss: cross-entropy for integer targets, mean squared error for floats.

    Args:
        scores: ``[n, classes]`` for integers, else of the shape of `y`.
        y: Classes ``[n]``, or values (probabilities for the entropies).
        name: One of `LOSSES` instead; ``bce`` and ``cross_entropy`` take logits.

    Raises:
        TlmlError: The shapes do not fit; nothing is broadcast.
    """
    from torch.nn import functional as F

    name = name or ("mse" if y.is_floating_point() else "cross_entropy")
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    if name == "cross_entropy" and not y.is_floating_point():
        check_classes(f"loss {name}", scores, y)
        return F.cross_entropy(scores, y.long())
    if scores.shape != y.shape:
        raise TlmlError(f"loss {name}: needs equal shapes{shapes(scores, y)}")
    loss: Tensor = getattr(F, LOSSES[name])(scores, y.to(scores.dtype))
    return loss


def summed_criterion(scores: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Return the sum over tasks of the mean loss of each.

    Args:
        scores: ``[T, n, classes]`` for integers, else of the shape of `y`.
        y: Classes ``[T, n]``, or values.
        name: As of `criterion`.

    Raises:
        TlmlError: The shapes do not fit; nothing is broadcast.
    """
    tasks = len(y)
    if not y.is_floating_point() or name == "cross_entropy":
        return tasks * criterion(scores.flatten(0, 1), y.flatten(0, 1), name)
    if name not in (None, "mse") or scores.shape != y.shape:
        return tasks * criterion(scores, y, name)
    # As F.mse_loss, which broadcasts first and so adds to the graph of each inner step.
    errors = scores - y.to(scores.dtype)
    return (errors * errors).sum() / (y.numel() / tasks)


def mean_entropy(scores: Tensor) -> Tensor:
    """Return the mean entropy of the class probabilities of scores ``[n, classes]``, in nats."""
    log_shares = scores.log_softmax(1)
    return -(log_shares.exp() * log_shares).sum(1).mean()

"""Metrics of one task. torch is imported where tensors come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.metrics.targets import check_classes, primary, shapes

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

    from tlml.data.domains import Domain
    from tlml.data.tasks import Batch


def task_metrics(space: Space[Any], scores: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the metrics of the predictions for one task, scalars by name.

    Args:
        space: The targets' space.
        scores: ``[n, classes]`` for Discrete, else of the shape of `y`.
        y: Classes ``[n]``, or values.
    """
    from torchmetrics.functional import mean_squared_error
    from torchmetrics.functional.classification import multiclass_accuracy

    name, _ = primary(space)
    if name == "accuracy":
        check_classes(name, scores, y)
        # Validating the arguments would look at every value, in each episode.
        count = scores.shape[1]
        return {name: multiclass_accuracy(scores, y, count, "micro", validate_args=False)}
    if scores.shape != y.shape:
        raise TlmlError(f"{name}: needs equal shapes{shapes(scores, y)}")
    return {name: mean_squared_error(scores.reshape(-1), y.to(scores.dtype).reshape(-1))}


def measure_predictions(
    domain: Domain[Any] | None, space: Space[Any], batch: Batch, scores: Tensor
) -> dict[str, Tensor]:
    """Return the metrics of the predictions for one task, the primary one first.

    Args:
        domain: What the task is of; its `measure` decides where it has a metric of its own.
        space: The targets' space, which decides elsewhere.
        scores: As of `task_metrics`.

    Raises:
        TlmlError: The domain's metric is not among those that it measures.
    """
    if domain is None or domain.metric is None:
        return task_metrics(space, scores, batch.y)
    found, name = dict(domain.measure(batch, scores)), domain.metric.name
    if name not in found:
        raise TlmlError(
            f"{type(domain).__name__}: measure() gives {', '.join(found) or 'nothing'}, and not "
            f"'{name}', which its metric says"
        )
    return {name: found.pop(name)} | found

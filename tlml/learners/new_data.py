"""Predictions for new data: what ``trainer.predict(learner, loader)`` gives."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium.spaces import Box
from torch import Tensor

from tlml.data.tasks import Batch, Episode, Episodes, Pair, Step, tasks_of
from tlml.errors import TlmlError
from tlml.learners.evaluation import Testable, differentiable


def predict_batch(learner: Testable, batch: Any, as_it_is: bool) -> Tensor | list[Tensor]:
    """Predict for what a loader gives.

    Args:
        learner: What predicts.
        batch: Inputs ``[n, ...]``, alone or first in a tuple, are predicted as they are; of a pair
            the target's. Tasks with support and query are adapted to.
        as_it_is: Whether it predicts without a task; else by `predict` with an empty support.

    Returns:
        Class scores ``[n, classes]`` or values ``[n, d]``; of tasks a list of those.

    Raises:
        TlmlError: It is something else.
    """
    if isinstance(batch, Episode | Episodes):
        with torch.inference_mode(False), torch.enable_grad():
            tasks = [differentiable(task) for task in tasks_of(batch)]
            return [learner.predict(task.support, task.query.x).detach() for task in tasks]
    x = _inputs(batch)
    return learner.predict_now(x) if as_it_is else _predict_untold(learner, x)


def _predict_untold(learner: Testable, x: Tensor) -> Tensor:
    space = learner.target_space()
    y = torch.zeros(0, *space.shape) if isinstance(space, Box) else torch.zeros(0).long()
    with torch.inference_mode(False):
        return learner.predict(Batch(x[:0].clone(), y.to(x.device)), x.clone()).detach()


def _inputs(batch: Any) -> Tensor:
    if isinstance(batch, Pair):
        return batch.target.x
    if isinstance(batch, Step):
        return batch.batch.x
    first = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(first, Tensor):
        raise TlmlError(
            f"predict: a batch is a {type(batch).__name__}; give loaders of inputs [n, ...], alone "
            "or first in a tuple"
        )
    return first

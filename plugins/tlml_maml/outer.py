"""The outer step that the gradient-based meta-learners share, and what their inner loop may be."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml import Episode, Episodes, GradientLearner, Strategy, TlmlError
from tlml.adapt import total_steps
from tlml.registry import default_registry


def outer_step(learner: GradientLearner, batch: Episode | Episodes) -> Tensor:
    """Return the meta-loss of a batch of tasks, logged.

    Raises:
        TlmlError: It is NaN or infinite.
    """
    loss = learner.meta_loss(batch)
    if not bool(torch.isfinite(loss)):
        name = default_registry().name_of(type(learner))
        raise TlmlError(
            f"{name}: the meta-loss is {loss.item()} in step {learner.global_step}; lower the "
            f"inner lr ({getattr(learner.strategy, 'lr', '?')}) or the meta lr ({learner.lr})"
        )
    tasks = len(batch.tasks if isinstance(batch, Episodes) else batch.support.x)
    learner.log_sparsely({"train_loss": loss.detach()}, batch_size=tasks)
    return loss


def fit_length(learner: GradientLearner, option: str) -> int:
    """Return the steps of a fit.

    Raises:
        TlmlError: It has no end, which `option` needs.
    """
    total = total_steps(learner.trainer)
    if total is None:
        raise TlmlError(
            f"{option}: it needs the length of training; set max_epochs or max_steps, or "
            f"{option}=False"
        )
    return total


def check_inner_loop(learner: GradientLearner, wanted: type[Strategy]) -> None:
    """Raise where a learner's strategy is another inner loop than the learner is made of."""
    if isinstance(learner.strategy, wanted):
        return
    name_of = default_registry().name_of
    name, has = name_of(type(learner)), name_of(type(learner.strategy))
    raise TlmlError(
        f"{name}: it learns through the inner loop {name_of(wanted)}, its strategy is {has}; leave "
        "strategy out, or take the learner maml, which learns through any that can be "
        "differentiated (to test with another one: EpisodeView(..., adapt=...))"
    )

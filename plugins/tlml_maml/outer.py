"""The outer step that the gradient-based meta-learners share, and what their inner loop may be."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml import Episode, Episodes, GradientLearner, Strategy, TlmlError
from tlml.data import tasks_of, tell_raw_units
from tlml.errors import DivergedError
from tlml.finetuning import total_steps
from tlml.meta import first_divergence
from tlml.registry import default_registry


def outer_step(learner: GradientLearner, batch: Episode | Episodes) -> Tensor:
    """Return the meta-loss of a batch of tasks, logged.

    Raises:
        TlmlError: It is NaN or infinite.
    """
    loss = learner.meta_loss(batch)
    if not bool(torch.isfinite(loss)):
        raise _divergence_error(learner, batch, float(loss.detach()))
    tasks = len(batch.tasks if isinstance(batch, Episodes) else batch.support.x)
    learner.log_sparsely({"train_loss": loss.detach()}, batch_size=tasks)
    return loss


def _divergence_error(
    learner: GradientLearner, batch: Episode | Episodes, loss: float
) -> DivergedError:
    """Return the error for a meta-loss that isn't finite, with the task and inner step to blame."""
    name = default_registry().name_of(type(learner))
    found = first_divergence(learner, batch)
    where = f"in step {learner.global_step}"
    rates = f"the meta lr ({learner.lr})"
    if learner.strategy.max_steps:
        rates = f"the inner lr ({learner.strategy.lr}) or {rates}"
    if found is not None:
        task, step = found
        place = f"inner step {step}" if step else "the query, after the inner steps"
        where += f": task {task} of the batch diverged at {place}"
    view = learner.current_view()
    support = tasks_of(batch)[0 if found is None else found[0]].support
    raw = tell_raw_units(support, view.domain if view else None)
    return DivergedError(f"{name}: the meta-loss is {loss} {where}; lower {rates}{raw}")


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

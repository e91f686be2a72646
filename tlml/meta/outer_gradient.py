"""The mean of a loss over the tasks of a batch, and its exact gradient, on every path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tlml.data.tasks import Batch, Episode, Episodes, tasks_of
from tlml.errors import TlmlError
from tlml.meta.contract import MetaLearner, trained_parameters
from tlml.meta.loop import LoopPath
from tlml.meta.path import Outer, Path
from tlml.meta.paths import path_for
from tlml.meta.stacked_calls import Unstackable


def mean_over_tasks(learner: MetaLearner, batch: Episode | Episodes) -> Tensor:
    """Return the mean of a learner's task losses; its gradient is exact.

    The gradients are taken chunk by chunk, so that the graph of one chunk is there at a time, and
    handed to the parameters when the result is differentiated: once, as an optimiser's step does.

    Args:
        learner: Its options `vectorize`, `chunk_size`, `compile` and `memory` say how.
        batch: Tensors ``[T, n, ...]``, or a list of tasks of unequal sizes, which are looped over.

    Raises:
        TlmlError: The strategy can't be differentiated, or the path can't be taken.
    """
    try:
        return _mean(learner, batch)
    except Unstackable:  # in training the network does something that it didn't when it was tried
        learner.stacks_calls = False
        return _mean(learner, batch)


def _mean(learner: MetaLearner, batch: Episode | Episodes) -> Tensor:
    ragged = isinstance(batch, Episodes)
    x = None if isinstance(batch, Episodes) else batch.support.x[0]
    tasks = len(batch.tasks if isinstance(batch, Episodes) else batch.support.x)
    path = path_for(learner, ragged=ragged, x=x)
    chunks = path.chunks(batch, learner.chunk_size)
    if not torch.is_grad_enabled():
        losses = [own.losses(learner.problem(path=own), chunk) for own, chunk in chunks]
        return torch.stack(losses).sum() / tasks
    params = trained_parameters(learner)
    loss, slopes = _sum_outers(_outer(learner, own, chunk) for own, chunk in chunks)
    sums = [slopes[name] for name in params]
    mean: Tensor = _Mean.apply(loss, sums, tasks, *params.values())  # type: ignore[no-untyped-call]
    return mean


def one_task(episode: Episode, i: int) -> Episode:
    """Return task number `i` of a batch."""
    (sx, sy), (qx, qy) = episode
    return Episode(Batch(sx[i], sy[i]), Batch(qx[i], qy[i]))


def first_divergence(learner: MetaLearner, batch: Episode | Episodes) -> tuple[int, int] | None:
    """Return the first task whose parameters or query loss are not finite, and the inner step.

    Tasks are counted from 0 and steps from 1; step 0 is the query loss. None where all are finite.
    """
    with torch.no_grad():
        problem = learner.problem(path=LoopPath())
        for number, (support, query) in enumerate(tasks_of(batch)):
            step = problem.diverged_at(support)
            if step is not None:
                return number, step
            if not bool(torch.isfinite(problem.task_loss(support, query))):
                return number, 0
    return None


def _outer(learner: MetaLearner, path: Path, chunk: Episode) -> Outer:
    problem, compiled = learner.problem(path=path), learner.compiled
    with _differentiated_twice(learner, path):
        found: Outer = (compiled or path).gradients(problem, chunk)
    return found


@contextmanager
def _differentiated_twice(learner: MetaLearner, path: Path) -> Iterator[None]:
    """Let attention run in operations that have second derivatives, where these are taken."""
    if path.tasks is not None or learner.first_order:  # stacked layers are of known operations
        yield
        return
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    except RuntimeError as error:  # NotImplementedError is one
        found = re.search(r"derivative for '?(?:aten::)?(\w+)'? is not implemented", str(error))
        if found is None:
            raise
        raise TlmlError(
            f"{type(learner).__name__}: {found[1].strip('_')} of the network can't be "
            "differentiated twice; take first_order=True, or another layer"
        ) from error


def _sum_outers(outers: Iterator[Outer]) -> Outer:
    """Return the sums, holding the slopes of one chunk beside them."""
    loss, slopes = next(outers)
    for outer in outers:
        loss = loss + outer.loss
        slopes = {name: slope + outer.slopes[name] for name, slope in slopes.items()}
    return Outer(loss, slopes)


class _Mean(torch.autograd.Function):
    """A sum over tasks as a mean, whose gradient by the parameters is known already."""

    @staticmethod
    def forward(
        ctx: Any, loss: Tensor, slopes: Sequence[Tensor], tasks: int, *params: Tensor
    ) -> Tensor:
        ctx.slopes, ctx.tasks = slopes, tasks
        return loss / tasks

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the slopes; DDP and a gradient scaler see them as they see any others."""
        share = upstream[0] / ctx.tasks
        return None, None, None, *(slope * share for slope in ctx.slopes)

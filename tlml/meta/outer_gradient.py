"""The mean of a loss over the tasks of a batch, and its exact gradient, on every path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from tlml.data.tasks import Batch, Episode, Episodes, Params, tasks_of
from tlml.errors import TlmlError
from tlml.meta.paths import Execution, executing, execution_for
from tlml.meta.stacked_calls import Unstackable

if TYPE_CHECKING:
    from tlml.learners.gradient_learner import GradientLearner

Slopes = dict[str, Tensor]


class Outer(NamedTuple):
    """The summed loss of some tasks, and its gradient by the parameters that are trained."""

    loss: Tensor
    slopes: Slopes


def mean_over_tasks(learner: GradientLearner, batch: Episode | Episodes) -> Tensor:
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


def _mean(learner: GradientLearner, batch: Episode | Episodes) -> Tensor:
    ragged = isinstance(batch, Episodes)
    x = None if isinstance(batch, Episodes) else batch.support.x[0]
    execution = execution_for(learner, ragged=ragged, x=x)
    tasks = len(batch.tasks if isinstance(batch, Episodes) else batch.support.x)
    chunks = _chunks(batch, execution, learner.chunk_size)
    if not torch.is_grad_enabled():
        return torch.stack([_loss(learner, *chunk) for chunk in chunks]).sum() / tasks
    params = trained(learner)
    loss, slopes = _summed(_outer(learner, params, *chunk) for chunk in chunks)
    sums = [slopes[name] for name in params]
    mean: Tensor = _Mean.apply(loss, sums, tasks, *params.values())  # type: ignore[no-untyped-call]
    return mean


def trained(learner: nn.Module) -> Slopes:
    """Return the parameters that an outer step changes, by name."""
    return {name: value for name, value in learner.named_parameters() if value.requires_grad}


def unscaled(slopes: Slopes, scale: float) -> Slopes:
    """Return gradients of a loss, given those of `scale` times it."""
    return slopes if scale == 1 else {name: slope / scale for name, slope in slopes.items()}


def one_task(episode: Episode, i: int) -> Episode:
    """Return task number `i` of a batch."""
    (sx, sy), (qx, qy) = episode
    return Episode(Batch(sx[i], sy[i]), Batch(qx[i], qy[i]))


def first_divergence(learner: GradientLearner, batch: Episode | Episodes) -> tuple[int, int] | None:
    """Return the first task whose parameters or query loss are not finite, and the inner step.

    Tasks are counted from 0 and steps from 1; step 0 is the query loss. None where all are finite.
    """
    with executing(learner, Execution("loop")), torch.no_grad():
        for number, (support, query) in enumerate(tasks_of(batch)):
            params: Params = learner.start()
            steps = learner.strategy.steps(learner.inner_loss(), params, support)
            for step, params in enumerate(steps, start=1):
                if not all(bool(torch.isfinite(value).all()) for value in params.values()):
                    return number, step
            if not bool(torch.isfinite(learner.task_loss(support, query))):
                return number, 0
    return None


def _chunks(
    batch: Episode | Episodes, execution: Execution, size: int | None
) -> Iterator[tuple[Execution, Episode]]:
    """Yield single tasks for the loop, else ``[size, n, ...]`` of them, and how to run them."""
    if execution.path == "loop":
        yield from ((execution, task) for task in tasks_of(batch))
        return
    assert isinstance(batch, Episode)
    if size is None or size >= len(batch.support.x):
        yield replace(execution, tasks=len(batch.support.x)), batch
        return
    parts = [torch.split(tensor, size) for side in batch for tensor in side]
    for sx, sy, qx, qy in zip(*parts, strict=True):
        yield replace(execution, tasks=len(sx)), Episode(Batch(sx, sy), Batch(qx, qy))


def _summed(outers: Iterator[Outer]) -> Outer:
    """Return the sums, holding the slopes of one chunk beside them."""
    loss, slopes = next(outers)
    for outer in outers:
        loss = loss + outer.loss
        slopes = {name: slope + outer.slopes[name] for name, slope in slopes.items()}
    return Outer(loss, slopes)


def _loss(learner: GradientLearner, execution: Execution, chunk: Episode) -> Tensor:
    """Return the summed loss of a chunk, without graph."""
    with executing(learner, execution):
        if execution.path != "vmap":
            return learner.task_loss(*chunk)
        of_tasks = vmap(_Held(learner), randomness="different")
        losses: Tensor = _under_vmap(lambda: of_tasks(chunk))
        return losses.sum()


def _outer(learner: GradientLearner, params: Slopes, execution: Execution, chunk: Episode) -> Outer:
    """Return the summed loss of a chunk, and its gradient."""
    with executing(learner, execution):
        if execution.path == "vmap":
            return _by_vmap(learner, chunk)
        if learner.compiled is None:
            loss, slopes = learner.task_slopes(*chunk)
        else:
            loss, slopes = learner.compiled(learner, params, *chunk)
        return Outer(loss.detach(), slopes)


def _by_vmap(learner: GradientLearner, chunk: Episode) -> Outer:
    held, params = _Held(learner), trained(_Held(learner))
    scale = learner.loss_scale

    def of_task(params: Slopes, task: Episode) -> Tensor:
        loss: Tensor = functional_call(held, params, (task,))
        return scale * loss

    # vmap(grad), then the sum: an outer backward through vmap is silently wrong for norms.
    # https://github.com/pytorch/functorch/issues/534
    of_tasks = vmap(grad_and_value(of_task), (None, 0), randomness="different")
    slopes, losses = _under_vmap(lambda: of_tasks(params, chunk))
    prefix = len("learner.")
    sums = {n[prefix:]: g.sum(0).detach() for n, g in slopes.items()}
    return Outer(losses.detach().sum() / scale, unscaled(sums, scale))


class _Held(nn.Module):
    """A learner as a module whose call is the loss of a task.

    One functional call replaces all its parameters, the strategy's rates among them; on the path
    of vmap those would otherwise get no gradient, silently.
    """

    def __init__(self, learner: GradientLearner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, task: Episode) -> Tensor:
        """Return the loss of one task."""
        return self.learner.task_loss(*task)


def _under_vmap(run: Any) -> Any:
    try:
        return run()
    except RuntimeError as error:
        if "vmap" not in str(error) and "transform" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise TlmlError(
            "vectorize: a layer of the network, or the strategy, can't run for several tasks at "
            "once; take vectorize='loop', or write it without changing tensors in place and "
            f"without reading values out of them (torch says: {reason})"
        ) from error


class _Mean(torch.autograd.Function):
    """A sum over tasks as a mean, whose gradient by the parameters is known already."""

    @staticmethod
    def forward(
        ctx: Any, loss: Tensor, slopes: Sequence[Tensor], tasks: int, *params: Tensor
    ) -> Tensor:
        """Return the mean."""
        ctx.slopes, ctx.tasks = slopes, tasks
        return loss / tasks

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the slopes; DDP and a gradient scaler see them as they see any others."""
        share = upstream[0] / ctx.tasks
        return None, None, None, *(slope * share for slope in ctx.slopes)

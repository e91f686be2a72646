"""The mean of a loss over the tasks of a batch, and its exact gradient, on every path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from tlml.errors import TlmlError
from tlml.execution import Execution, Path, executing, path_of
from tlml.task import Batch, Episode, Episodes, tasks_of

if TYPE_CHECKING:
    from tlml.gradient_learner import GradientLearner

Slopes = dict[str, Tensor]


class Outer(NamedTuple):
    """The loss of some tasks, and its gradient by the learner's parameters that are trained."""

    losses: Tensor
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
    path = "loop" if isinstance(batch, Episodes) else path_of(learner)[0]
    chunks = _chunks(batch, path, learner.chunk_size)
    if not torch.is_grad_enabled():
        return torch.cat([_losses(learner, path, chunk) for chunk in chunks]).mean()
    losses, slopes = _summed(_outer(learner, path, chunk) for chunk in chunks)
    params = trained(learner)
    means = [slopes[name] / len(losses) for name in params]
    delivered: Tensor = _Deliver.apply(losses.mean(), means, *params.values())  # type: ignore[no-untyped-call]
    return delivered


def trained(learner: nn.Module) -> Slopes:
    """Return the parameters that an outer step changes, by name."""
    return {name: value for name, value in learner.named_parameters() if value.requires_grad}


def one_task(episode: Episode, i: int) -> Episode:
    """Return task number `i` of a batch."""
    (sx, sy), (qx, qy) = episode
    return Episode(Batch(sx[i], sy[i]), Batch(qx[i], qy[i]))


def _chunks(batch: Episode | Episodes, path: Path, size: int | None) -> Iterator[Episode]:
    """Yield single tasks for the loop, else ``[size, n, ...]`` of them."""
    if path == "loop":
        yield from tasks_of(batch)
        return
    assert isinstance(batch, Episode)
    parts = [torch.split(tensor, size or len(tensor)) for side in batch for tensor in side]
    for sx, sy, qx, qy in zip(*parts, strict=True):
        yield Episode(Batch(sx, sy), Batch(qx, qy))


def _summed(outers: Iterator[Outer]) -> Outer:
    """Return all losses, and the sum of the slopes, holding those of one chunk beside it."""
    losses, total = [], dict[str, Tensor]()
    for outer in outers:
        losses.append(outer.losses)
        for name, slope in outer.slopes.items():
            total[name] = total[name] + slope if name in total else slope
    return Outer(torch.cat(losses), total)


def _losses(learner: GradientLearner, path: Path, chunk: Episode) -> Tensor:
    """Return the losses ``[tasks]`` of a chunk, without graph."""
    with executing(learner, _execution(learner, path, chunk)):
        if path == "vmap":
            losses: Tensor = _under_vmap(
                lambda: vmap(_Held(learner), randomness="different")(chunk)
            )
            return losses
        return _shared(learner.task_loss(*chunk), learner.execution)


def _outer(learner: GradientLearner, path: Path, chunk: Episode) -> Outer:
    """Return losses ``[tasks]`` of a chunk, and the gradient of their sum."""
    with executing(learner, _execution(learner, path, chunk)):
        if path == "vmap":
            return _by_vmap(learner, chunk)
        if learner.compiled is None:
            loss, slopes = learner.task_slopes(*chunk)
        else:
            loss, slopes = learner.compiled(learner, *chunk)
        return Outer(_shared(loss.detach(), learner.execution), slopes)


def _execution(learner: GradientLearner, path: Path, chunk: Episode) -> Execution:
    return Execution(path, learner.memory, len(chunk.support.x) if path == "stack" else 1)


def _shared(loss: Tensor, execution: Execution) -> Tensor:
    # On stacked parameters a loss is the sum over the tasks: what is known of each is their mean.
    return (loss / execution.tasks).expand(execution.tasks)


def _by_vmap(learner: GradientLearner, chunk: Episode) -> Outer:
    held, params = _Held(learner), trained(_Held(learner))

    def of_task(params: Slopes, task: Episode) -> Tensor:
        loss: Tensor = functional_call(held, params, (task,))
        return loss

    # vmap(grad), then the sum: an outer backward through vmap is silently wrong for norms.
    # https://github.com/pytorch/functorch/issues/534
    of_tasks = vmap(grad_and_value(of_task), (None, 0), randomness="different")
    slopes, losses = _under_vmap(lambda: of_tasks(params, chunk))
    prefix = len("learner.")
    return Outer(losses.detach(), {n[prefix:]: g.sum(0).detach() for n, g in slopes.items()})


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
            "vectorize: a layer of the network can't run for several tasks at once; take "
            "vectorize='loop', or write the layer without changing buffers in place and without "
            f"reading values out of tensors (torch says: {reason})"
        ) from error


class _Deliver(torch.autograd.Function):
    """A number whose gradient by the parameters is known already."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, slopes: Sequence[Tensor], *params: Tensor) -> Tensor:
        """Return the value."""
        ctx.slopes = slopes
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the slopes; DDP and a gradient scaler see them as they see any others."""
        return None, None, *(slope * upstream[0] for slope in ctx.slopes)

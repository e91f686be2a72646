"""All tasks at once by `torch.vmap`: for layers whose code is known to run under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.func import grad_and_value, vmap

from tlml.data.tasks import Episode, Episodes
from tlml.errors import TlmlError
from tlml.meta.contract import Problem, Slopes, trained_parameters, unscale
from tlml.meta.path import LearnerCall, Outer, Path, split_tasks
from tlml.networks.calls import call_with
from tlml.strategies.gradients import FirstOrder, Loss

_PREFIX = "learner."  # of a learner's parameters where `LearnerCall` holds it


@dataclass(frozen=True)
class VmapPath(Path):
    """Run all tasks of a chunk by vmap over the gradient of one.

    Calls outside `meta_loss` take this path as well: they may stand under anybody's transform.
    """

    name: ClassVar[str] = "vmap"

    def chunks(self, batch: Episode | Episodes, size: int | None) -> Iterator[tuple[Path, Episode]]:
        """Yield some tasks at a time."""
        assert isinstance(batch, Episode)
        yield from ((self, chunk) for chunk in split_tasks(batch, size or len(batch.support.x)))

    def losses(self, problem: Problem, chunk: Episode) -> Tensor:
        """Return the summed loss of a chunk."""
        of_tasks = vmap(LearnerCall(problem.learner, problem.task_loss), randomness="different")
        losses: Tensor = _under_vmap(lambda: of_tasks(chunk))
        return losses.sum()

    def gradients(self, problem: Problem, chunk: Episode) -> Outer:
        """Return the summed loss of a chunk, and its gradient."""
        held = LearnerCall(problem.learner, problem.task_loss)
        params = {
            f"{_PREFIX}{name}": value for name, value in trained_parameters(problem.learner).items()
        }
        scale = problem.learner.loss_scale

        def of_task(params: Slopes, task: Episode) -> Tensor:
            loss: Tensor = call_with(held, params, task)
            return scale * loss

        # vmap(grad), then the sum: an outer backward through vmap is silently wrong for norms.
        # https://github.com/pytorch/functorch/issues/534
        of_tasks = vmap(grad_and_value(of_task), (None, 0), randomness="different")
        slopes, losses = _under_vmap(lambda: of_tasks(params, chunk))
        sums = {name.removeprefix(_PREFIX): s.sum(0).detach() for name, s in slopes.items()}
        return Outer(losses.detach().sum() / scale, unscale(sums, scale))

    def differentiated(self, loss: Loss, first_order: bool) -> Loss:
        """Return the loss as it is: `tlml.gradient` differentiates it by `torch.func`."""
        return FirstOrder(loss) if first_order else loss


def _under_vmap(run: Callable[[], Any]) -> Any:
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

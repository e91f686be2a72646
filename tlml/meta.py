"""The mean of a loss over the tasks of a batch, one by one or all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.modules.batchnorm import _NormBase

from tlml.networks import Network
from tlml.networks.network import Flat
from tlml.task import Batch, Episode

Vectorize = Literal["auto", "vmap", "loop"]
VECTORIZE: tuple[Vectorize, ...] = ("auto", "vmap", "loop")
TaskLoss = Callable[[Batch, Batch], Tensor]

# Modules whose code has been seen to give equal gradients under vmap. Convolutions do too, but
# are slower there on a CPU; anything else is looped over.
_BATCHED = (
    nn.Linear, nn.Identity, nn.Flatten, nn.Sequential, nn.ModuleDict, nn.ModuleList,
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
    nn.LayerNorm, nn.GroupNorm, _NormBase, Network, Flat,
)  # fmt: skip


class Held(nn.Module):
    """Network and strategy as one module, so that one functional call replaces all parameters.

    On the path of vmap a strategy's own rates would otherwise get no gradient, silently.
    """

    def __init__(self, network: nn.Module, strategy: nn.Module) -> None:
        super().__init__()
        self.network, self.strategy = network, strategy

    def forward(self, task_loss: TaskLoss, episode: Episode) -> Tensor:
        """Return the loss of one task."""
        return task_loss(episode.support, episode.query)


def mean_over_tasks(
    held: Held, task_loss: TaskLoss, episode: Episode, vectorize: Vectorize
) -> Tensor:
    """Return the mean of ``task_loss(support, query)`` over tasks; its gradient is exact.

    Args:
        held: What is differentiated.
        task_loss: Reads the parameters of `held` when it is called.
        episode: Tensors ``[T, n, ...]``.
        vectorize: ``vmap`` runs the tasks together, ``loop`` one by one; ``auto`` takes vmap where
            it is known to be right and faster.
    """
    if vectorize == "auto":
        vectorize = "vmap" if can_batch(held) else "loop"
    if vectorize == "vmap":
        return _batched(held, task_loss, episode)
    tasks = [one_task(episode, i) for i in range(len(episode.support.x))]
    return torch.stack([task_loss(*task) for task in tasks]).mean()


def one_task(episode: Episode, i: int) -> Episode:
    """Return task number `i` of a batch."""
    support, query = episode
    return Episode(Batch(support.x[i], support.y[i]), Batch(query.x[i], query.y[i]))


def can_batch(held: Held) -> bool:
    """Return whether ``auto`` runs the tasks of this network and strategy together."""
    known = all(
        type(module) in _BATCHED or isinstance(module, _NormBase | Network)
        for module in held.network.modules()
    )
    return known and bool(getattr(held.strategy, "batched", False))


def _batched(held: Held, task_loss: TaskLoss, episode: Episode) -> Tensor:
    params: dict[str, Tensor] = {n: p for n, p in held.named_parameters() if p.requires_grad}

    def of_task(params: dict[str, Tensor], task: Episode) -> Tensor:
        loss: Tensor = functional_call(held, params, (task_loss, task))
        return loss

    if not torch.is_grad_enabled():
        losses: Tensor = vmap(of_task, (None, 0), randomness="different")(params, episode)
        return losses.mean()
    # vmap(grad), then the mean: an outer backward through vmap is silently wrong for norms.
    # https://github.com/pytorch/functorch/issues/534
    of_tasks = vmap(grad_and_value(of_task), (None, 0), randomness="different")
    grads, values = of_tasks(params, episode)
    parts = [(params[name] * g.mean(0).detach()).sum() for name, g in grads.items()]
    surrogate = torch.stack(parts).sum()
    mean: Tensor = values.mean().detach() + (surrogate - surrogate.detach())
    return mean

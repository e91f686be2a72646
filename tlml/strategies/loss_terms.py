"""Loss terms of a strategy that adapts: what they see, and the loss of a test's inner steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tlml.data.tasks import Params
from tlml.networks.batchnorm import Policy, statistics
from tlml.networks.calls import call_with
from tlml.networks.heads import head_inputs, head_name, not_called
from tlml.networks.modes import evaluating
from tlml.strategies.context import Context


class Pass(NamedTuple):
    """What a network was given and gave in one forward pass; features are what its head sees."""

    x: Tensor
    features: Tensor
    scores: Tensor


@contextmanager
def passes(network: nn.Module) -> Iterator[list[Pass]]:
    """Collect the forward passes of a network inside the block."""
    seen: list[Pass] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], scores: Tensor) -> None:
        if not features:
            raise not_called(head_name(network))
        seen.append(Pass(given[0], features[-1], scores))

    with head_inputs(network) as features, network.register_forward_hook(note):
        yield seen


def of_target(
    network: nn.Module,
    seen: Pass,
    params: Params,
    progress: float,
    features_at: Callable[[Params], Tensor],
) -> Context:
    """Return what terms see that regard the target alone; the source is empty."""
    x, features, scores = seen
    return Context(
        x[:0], x, features[:0], features, scores[:0], scores, progress, network,
        params=params, features_at=features_at,
    )  # fmt: skip


@torch.no_grad()
def features_with(network: nn.Module, tensors: Params, x: Tensor, policy: Policy) -> Tensor:
    """Return the features of ``x`` with other parameters and buffers, in evaluation mode.

    By the statistics of the ``batch`` none that are stored take part.
    """
    if policy == "batch":
        own = dict(network.named_parameters())
        tensors = {name: value for name, value in tensors.items() if name in own}
    with evaluating(network), statistics(network, policy), passes(network) as seen:
        call_with(network, tensors, x)
    return seen[-1].features

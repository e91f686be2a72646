"""The network of agents that adapt to a task: a policy alone, for one task or stacked for many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from tlml.data import Params
from tlml.networks import Flat, call_with, seeded_draws
from tlml_rl.base.perceptron import (
    ACTIVATIONS,
    Body,
    Perceptron,
    check_features,
    layer_sizes,
    named,
    orthogonal,
)

_POLICY_GAIN = 0.01  # at first all actions are about equally likely


class Actor(nn.Module):
    """Maps inputs ``[n, ...]`` to what a policy is made of ``[n, size]``.

    Args:
        body: Maps inputs to features.
        features: Their number.
        size: Numbers that the policy needs.
        log_std: Where the logarithms of standard deviations start; None: the policy has none.
    """

    def __init__(
        self, body: nn.Module, features: int, size: int, log_std: float | None = None
    ) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(features, size)
        self._log_std = log_std
        self.log_std: nn.Parameter | None = None
        if log_std is not None:
            self.log_std = nn.Parameter(torch.full((size,), log_std))

    def forward(self, x: Tensor) -> Tensor:
        """Return the policy's outputs ``[n, size]``."""
        found: Tensor = self.head(self.body(x))
        return found

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise a perceptron and the head anew; other layers have done so themselves."""
        if isinstance(self.body, Perceptron):
            self.body.reset_parameters()
        orthogonal(self.head, _POLICY_GAIN)
        if self.log_std is not None and self._log_std is not None:
            self.log_std.fill_(self._log_std)

    def stacked(self, params: Params, x: Tensor) -> Tensor:
        """Return outputs ``[T, n, size]`` for inputs ``[T, n, ...]`` of T tasks.

        Args:
            params: Those of each task by name ``[T, *shape]``.
            x: The inputs of each.
        """
        if not isinstance(self.body, Perceptron) or not self._plain():
            of_each = [{name: value[t] for name, value in params.items()} for t in range(len(x))]
            return torch.stack([call_with(self, own, x[t]) for t, own in enumerate(of_each)])
        x = x.flatten(2)
        for number, layer in enumerate(self.body):
            if isinstance(layer, nn.Linear):
                x = _affine(params, f"body.{number}", x)
            elif number:  # the first one flattens, which is done
                x = layer(x)
        return _affine(params, "head", x)

    def _plain(self) -> bool:
        """Return whether the layers are as they were made: nothing was attached to them."""
        kinds = {type(layer) for layer in (*self.body.children(), self.head)}
        return kinds <= {Flat, nn.Linear, *ACTIVATIONS.values()}


def _affine(params: Params, layer: str, x: Tensor) -> Tensor:
    return torch.baddbmm(params[f"{layer}.bias"][:, None], x, params[f"{layer}.weight"].mT)


def named_actor(
    name: str, space: Box, size: int, options: dict[str, Any], log_std: float | None, seed: int
) -> Actor:
    """Build the network that a name says: a perceptron by ``auto``, else features of a network.

    Raises:
        TlmlError: An option is out of range.
    """
    return named(
        name, space, size, options, seed,
        auto=partial(perceptron_actor, space, size, log_std=log_std, seed=seed),
        over=lambda network: actor_over(network, size, log_std, seed),
    )  # fmt: skip


def perceptron_actor(
    space: Box, size: int, *, hidden: Sequence[int] = (32, 32), activation: str = "tanh",
    log_std: float | None = None, seed: int = 0,
) -> Actor:  # fmt: skip
    """Build a perceptron over flattened inputs.

    Raises:
        TlmlError: An option is out of range.
    """
    sizes = layer_sizes(space, hidden)
    with seeded_draws(seed):
        made = Actor(Perceptron(sizes, activation), sizes[-1], size, log_std)
        made.reset_parameters()
    return made


def actor_over(network: nn.Module, size: int, log_std: float | None, seed: int) -> Actor:
    """Return an actor over the features of a network, whose head is left out.

    Raises:
        TlmlError: The network has no features.
    """
    if isinstance(network, Actor):
        return network
    found = check_features(network, "over whose features it puts a head of its own")
    with seeded_draws(seed):
        made = Actor(Body(found), found.feature_size, size, log_std)
        made.reset_parameters()
    return made

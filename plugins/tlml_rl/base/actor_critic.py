"""The network of an agent: an actor, a critic, and a head with what both of them say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from tlml.networks import seeded_draws
from tlml_rl.base.inputs import shares
from tlml_rl.base.perceptron import (
    Body,
    Perceptron,
    check_features,
    layer_sizes,
    named,
    orthogonal,
)

_POLICY_GAIN, _VALUE_GAIN = 0.01, 1.0


class Head(nn.Module):
    """The last layers, which strategies call the head: the policy's, the value's, and deviations.

    Args:
        features: Numbers that the actor and the critic give.
        size: Numbers that the policy needs.
        log_std: Where the logarithms of standard deviations start; None: the policy has none.
    """

    def __init__(self, features: tuple[int, int], size: int, log_std: float | None = None) -> None:
        super().__init__()
        self.policy = nn.Linear(features[0], size)
        self.value = nn.Linear(features[1], 1)
        self._log_std = log_std
        self.log_std: nn.Parameter | None = None
        if log_std is not None:
            self.log_std = nn.Parameter(torch.full((size,), log_std))

    def forward(self, acting: Tensor, judging: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's outputs ``[n, size]`` and values ``[n]`` of features."""
        return self.policy(acting), self.value(judging)[:, 0]

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise orthogonally: at first all actions are about equally likely."""
        orthogonal(self.policy, _POLICY_GAIN)
        orthogonal(self.value, _VALUE_GAIN)
        if self.log_std is not None and self._log_std is not None:
            self.log_std.fill_(self._log_std)


class ActorCritic(nn.Module):
    """Maps inputs ``[n, ...]`` to what a policy is made of and to values.

    Bytes, as of images, become shares of 255 here, so that nothing else has to hold them as floats.

    Args:
        actor: Maps inputs to features ``[n, a]``.
        critic: Maps inputs to features ``[n, c]``; the actor itself where they share them.
        head: Maps features to outputs and values.
    """

    def __init__(self, actor: nn.Module, critic: nn.Module, head: Head) -> None:
        super().__init__()
        self.actor, self.critic, self.head = actor, critic, head

    @property
    def shares(self) -> bool:
        """Whether actor and critic have their features in common."""
        return self.actor is self.critic

    @property
    def reads_bytes(self) -> bool:
        """Whether images are given to it as bytes; perceptrons read rows of floats."""
        return not (isinstance(self.actor, Perceptron) and isinstance(self.critic, Perceptron))

    @property
    def log_std(self) -> nn.Parameter | None:
        """The logarithms of standard deviations, where the policy has some."""
        return self.head.log_std

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's outputs ``[n, size]`` and values ``[n]``."""
        x = shares(x, self.head.value.weight)
        features = self.actor(x)
        outputs, values = self.head(features, features if self.shares else self.critic(x))
        return outputs, values

    def outputs(self, x: Tensor) -> Tensor:
        """Return the policy's outputs alone."""
        found: Tensor = self.head.policy(self.actor(shares(x, self.head.value.weight)))
        return found

    def reset_parameters(self) -> None:
        """Initialise perceptrons and the head anew; other layers have done so themselves."""
        for body in (self.actor, self.critic):
            if isinstance(body, Perceptron):
                body.reset_parameters()
        self.head.reset_parameters()


def actor_critic(
    space: Box, size: int, *, hidden: Sequence[int] = (64, 64), activation: str = "tanh",
    log_std: float | None = None, seed: int = 0,
) -> ActorCritic:  # fmt: skip
    """Build two perceptrons over flattened inputs, one that acts and one that judges.

    Args:
        space: Of inputs.
        size: Numbers that the policy needs.
        hidden: Units of each hidden layer.
        activation: ``tanh`` or ``relu``.
        log_std: Where the logarithms of standard deviations start; None: the policy has none.
        seed: The key of the initialisation.

    Raises:
        TlmlError: An option is out of range.
    """
    sizes = layer_sizes(space, hidden)
    with seeded_draws(seed):
        actor, critic = Perceptron(sizes, activation), Perceptron(sizes, activation)
        made = ActorCritic(actor, critic, Head((sizes[-1], sizes[-1]), size, log_std))
        made.reset_parameters()
    return made


def over_features(network: nn.Module, size: int, log_std: float | None, seed: int) -> ActorCritic:
    """Let actor and critic share the features of a network, whose head is left out.

    Raises:
        TlmlError: The network has no features.
    """
    if isinstance(network, ActorCritic):
        return network
    found = check_features(network, "whose features its actor and its critic share")
    with seeded_draws(seed):
        features, body = found.feature_size, Body(found)
        head = Head((features, features), size, log_std)
        head.reset_parameters()
    return ActorCritic(body, body, head)


def named_actor_critic(
    name: str, space: Box, size: int, options: dict[str, Any], log_std: float | None, seed: int
) -> ActorCritic:
    """Build the network that a name says: two perceptrons by ``auto``, else shared features."""
    return named(
        name, space, size, options, seed,
        auto=partial(actor_critic, space, size, log_std=log_std, seed=seed),
        over=lambda network: over_features(network, size, log_std, seed),
    )  # fmt: skip

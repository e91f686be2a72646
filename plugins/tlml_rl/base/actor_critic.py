"""The network of an agent: an actor, a critic, and a head with what both of them say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn

from tlml import TlmlError
from tlml.errors import did_you_mean
from tlml.networks import Flat, Network, build_network, seeded_draws, sizes_option
from tlml_rl.base.inputs import shares

_BODY_GAIN, _POLICY_GAIN, _VALUE_GAIN = math.sqrt(2), 0.01, 1.0
_OPTIONS = ("hidden", "activation")
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


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
        _orthogonal(self.policy, _POLICY_GAIN)
        _orthogonal(self.value, _VALUE_GAIN)
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


class Perceptron(nn.Sequential):
    """Flattens its inputs; then linear layers, each with an activation after it.

    Args:
        sizes: Of inputs and of each hidden layer.
        activation: ``tanh`` or ``relu``.
    """

    def __init__(self, sizes: Sequence[int], activation: str) -> None:
        super().__init__(Flat())
        for before, after in pairwise(sizes):
            self.append(nn.Linear(before, after))
            self.append(ACTIVATIONS[activation]())

    def linear(self) -> Iterator[nn.Linear]:
        """Yield the linear layers, the first one first."""
        return (layer for layer in self if isinstance(layer, nn.Linear))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise orthogonally, with biases of 0."""
        for layer in self.linear():
            _orthogonal(layer, _BODY_GAIN)


class Body(nn.Module):
    """The features of a network, without its head."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.blocks = network.blocks

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs ``[n, ...]`` to features ``[n, size]``."""
        for block in self.blocks.values():
            x = block(x)
        return x.flatten(1)


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
    if activation not in ACTIVATIONS:
        raise TlmlError(f"activation: '{activation}' is not one of {', '.join(ACTIVATIONS)}")
    sizes = (math.prod(space.shape), *sizes_option("hidden", hidden))
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
    if not isinstance(network, Network):
        raise TlmlError(
            f"network: an agent takes a tlml.Network (blocks and a head), whose features its actor "
            f"and its critic share; this is a {type(network).__name__}"
        )
    with seeded_draws(seed):
        features, body = network.feature_size, Body(network)
        head = Head((features, features), size, log_std)
        head.reset_parameters()
    return ActorCritic(body, body, head)


def named(
    name: str, space: Box, size: int, options: dict[str, Any], log_std: float | None, seed: int
) -> ActorCritic:
    """Build the network that a name says: two perceptrons by ``auto``, else shared features."""
    if name == "auto":
        for key in options:
            if key not in _OPTIONS:
                near = did_you_mean(key, _OPTIONS)
                raise TlmlError(f"network auto: has no option '{key}'{near}")
        return actor_critic(space, size, log_std=log_std, seed=seed, **options)
    network = build_network(name, space, Discrete(size), seed=seed, options=options)
    return over_features(network, size, log_std, seed)


def _orthogonal(layer: nn.Linear, gain: float) -> None:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)

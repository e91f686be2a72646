"""The network of an agent that values actions: features, and a value for each action by a head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gymnasium.spaces import Box
from torch import Tensor, nn

from tlml.networks import seeded_draws
from tlml_rl.base.perceptron import Body, Perceptron, check_features, layer_sizes, named


class ValueHead(nn.Module):
    """The last layer: a value for each action, by the state's value where they are told apart.

    Args:
        features: Numbers that it is given.
        actions: How many.
        dueling: Whether Q is the sum of a state's value and of an action's advantage over the mean
            of all (Wang et al. 2016, arXiv 1511.06581, equation 9).
    """

    def __init__(self, features: int, actions: int, dueling: bool = False) -> None:
        super().__init__()
        self.action = nn.Linear(features, actions)
        self.state = nn.Linear(features, 1) if dueling else None

    def forward(self, features: Tensor) -> Tensor:
        """Return values ``[n, actions]``."""
        found: Tensor = self.action(features)
        if self.state is None:
            return found
        joined: Tensor = self.state(features) + found - found.mean(-1, keepdim=True)
        return joined


class ValueNetwork(nn.Module):
    """Maps inputs ``[n, ...]`` to the value of each action ``[n, actions]``.

    Args:
        body: Maps inputs to features ``[n, f]``.
        head: Maps features to values.
    """

    def __init__(self, body: nn.Module, head: ValueHead) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        """Return values."""
        found: Tensor = self.head(self.body(x))
        return found


def value_perceptron(
    space: Box, actions: int, *, hidden: Sequence[int] = (256, 256), activation: str = "relu",
    dueling: bool = False, seed: int = 0,
) -> ValueNetwork:  # fmt: skip
    """Build a perceptron over flattened inputs, initialised as torch's layers are.

    Args:
        space: Of inputs.
        actions: How many.
        hidden: Units of each hidden layer.
        activation: ``tanh`` or ``relu``.
        dueling: As of `ValueHead`.
        seed: The key of the initialisation.

    Raises:
        TlmlError: An option is out of range.
    """
    sizes = layer_sizes(space, hidden)
    with seeded_draws(seed):
        body = Perceptron(sizes, activation)
        return ValueNetwork(body, ValueHead(sizes[-1], actions, dueling))


def value_features(network: nn.Module, actions: int, dueling: bool, seed: int) -> ValueNetwork:
    """Value actions by the features of a network, whose head is left out.

    Raises:
        TlmlError: The network has no features.
    """
    if isinstance(network, ValueNetwork):
        return network
    found = check_features(network, "by whose features it values actions")
    with seeded_draws(seed):
        return ValueNetwork(Body(found), ValueHead(found.feature_size, actions, dueling))


def named_values(
    name: str, space: Box, actions: int, options: dict[str, Any], dueling: bool, seed: int
) -> ValueNetwork:
    """Build the network that a name says: a perceptron by ``auto``, else over features."""
    return named(
        name, space, actions, options, seed,
        auto=partial(value_perceptron, space, actions, dueling=dueling, seed=seed),
        over=lambda network: value_features(network, actions, dueling, seed),
    )  # fmt: skip

"""Perceptrons and features of networks: what agents' networks are built of, and built by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn

from tlml import TlmlError
from tlml.errors import check_choice, did_you_mean
from tlml.networks import Flat, Network, build_network, sizes_option

N = TypeVar("N", bound=nn.Module)

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
_BODY_GAIN = math.sqrt(2)
_OPTIONS = ("hidden", "activation")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Perceptron(nn.Sequential):
    """Flattens its inputs; then linear layers, each with an activation after it.

    Args:
        sizes: Of inputs and of each hidden layer.
        activation: ``tanh`` or ``relu``.

    Raises:
        TlmlError: There is no such activation.
    """

    def __init__(self, sizes: Sequence[int], activation: str) -> None:
        check_choice("activation", activation, ACTIVATIONS)
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
            orthogonal(layer, _BODY_GAIN)


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


def orthogonal(layer: nn.Linear, gain: float) -> None:
    """Initialise a layer orthogonally, with a bias of 0."""
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)


def layer_sizes(space: Box, hidden: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of flattened inputs and of each hidden layer.

    Raises:
        TlmlError: A size is not a whole number greater than 0.
    """
    return (math.prod(space.shape), *sizes_option("hidden", hidden))


def check_auto(options: Collection[str]) -> None:
    """Raise where perceptrons by the name ``auto`` have no such option.

    Raises:
        TlmlError: It names the option.
    """
    for key in options:
        if key not in _OPTIONS:
            raise TlmlError(f"network auto: has no option '{key}'{did_you_mean(key, _OPTIONS)}")


def named(
    name: str, space: Box, outputs: int, options: dict[str, Any], seed: int, *,
    auto: Callable[..., N], over: Callable[[nn.Module], N],
) -> N:  # fmt: skip
    """Build the network that a name says.

    Args:
        name: ``auto``, or that of a registered network.
        space: Of inputs.
        outputs: Numbers that the agent needs.
        options: Of the named network.
        seed: The key of the initialisation.
        auto: Builds perceptrons by the options.
        over: Builds what is needed over the features of a network.

    Raises:
        TlmlError: There is no such network, or an option is out of range.
    """
    if name != "auto":
        return over(build_network(name, space, Discrete(outputs), seed=seed, options=options))
    check_auto(options)
    return auto(**options)


def check_features(network: nn.Module, use: str) -> Network:
    """Return a network, which has features and a head.

    Args:
        network: What an agent was given.
        use: What it does with the features, for the error.

    Raises:
        TlmlError: It has none.
    """
    if not isinstance(network, Network):
        raise TlmlError(
            f"network: an agent takes a tlml.Network (blocks and a head), {use}; this is a "
            f"{type(network).__name__}"
        )
    return network


def by_hand_lack(network: nn.Module, bodies: Sequence[nn.Module], otherwise: str) -> str:
    """Return why a network can't be computed by hand; empty where it can.

    Args:
        network: All of it.
        bodies: Those of its parts that have to be perceptrons.
        otherwise: What is said where one is none.
    """
    like = next(network.parameters())
    if like.device.type != "cpu" or like.dtype not in (torch.float32, torch.float64):
        return f"the network is on {like.device.type}, in {like.dtype}"
    if any(kind(body) is None for body in bodies):
        return f"{otherwise} with tanh or relu"
    if any(getattr(each, hooks) for each in network.modules() for hooks in _HOOKS):
        return "the network has hooks"
    return "precision is mixed" if torch.is_autocast_enabled("cpu") else ""


def kind(body: nn.Module) -> tuple[int, type[nn.Module]] | None:
    """Return depth and activation of a body as `Perceptron` builds it; None of any other."""
    if type(body) is not Perceptron or len(body) < 3:
        return None
    linear, between = list(body)[1::2], {type(each) for each in list(body)[2::2]}
    plain = all(type(each) is nn.Linear and each.bias is not None for each in linear)
    if len(between) != 1 or not between <= {nn.Tanh, nn.ReLU} or not plain:
        return None
    return len(linear), between.pop()

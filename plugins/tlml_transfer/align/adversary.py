"""A discriminator of domains, and features that deceive it by reversed gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from tlml import TlmlError
from tlml.networks import head_name, mlp


class Adversary(nn.Module):
    """A perceptron that tells source from target, with the loss of both players.

    One step of one optimiser goes down that loss in the perceptron and up in the features (Ganin
    et al. 2016, JMLR 17:59, section 4.2).

    Args:
        whose: The strategy, for errors.
        inputs: Size of what it looks at.
        hidden: Units of each hidden layer.
    """

    def __init__(self, whose: str, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.whose, self.inputs = whose, inputs
        self.discriminator = mlp((inputs,), 1, hidden=hidden)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        rate: float,
        weights: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the discriminator's loss on ``[n, inputs]`` and ``[m, inputs]``.

        It is the sum of the mean losses of both sides (equation 10).

        Args:
            source: What it should take for source.
            target: What it should take for target.
            rate: λ, what gradients are multiplied by when they are reversed.
            weights: Of the examples, ``[n]`` and ``[m]``; all 1 where None.

        Raises:
            TlmlError: The sizes are not those that it was made for.
        """
        if source.shape[1] != self.inputs:
            raise TlmlError(
                f"{self.whose}: its discriminator was made for inputs of size {self.inputs}, these "
                f"are {source.shape[1]}; make a strategy anew for each network"
            )
        scores = self.discriminator(reverse_gradient(torch.cat([source, target]), rate)).squeeze(1)
        of_source, of_target = scores.split([len(source), len(target)])
        losses = F.softplus(-of_source), F.softplus(of_target)  # −log d and −log(1 − d)
        if weights is not None:
            losses = weights[0] * losses[0], weights[1] * losses[1]
        return losses[0].mean() + losses[1].mean()


def schedule(progress: float, gamma: float) -> float:
    """Return λ = 2 / (1 + exp(−γp)) − 1, from 0 towards 1 (section 5.2.2)."""
    return 2 / (1 + math.exp(-gamma * progress)) - 1


def reverse_gradient(x: Tensor, rate: float) -> Tensor:
    """Return ``x``; on the way back gradients are multiplied by −rate (equations 16 and 17)."""
    reversed_: Tensor = _Reversal.apply(x, rate)  # type: ignore[no-untyped-call]
    return reversed_


class HeadSizes(NamedTuple):
    """How many features a head is given, and how many outputs it has."""

    features: int
    outputs: int


def head_sizes(network: nn.Module) -> HeadSizes:
    """Return the sizes of a network's head.

    Raises:
        TlmlError: The head holds no nn.Linear.
    """
    head = network.get_submodule(head_name(network))
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise TlmlError(
            f"{type(network).__name__}: no layer of its head {type(head).__name__} is an "
            "nn.Linear, so that the size of its features is unknown"
        )
    return HeadSizes(layers[0].in_features, layers[-1].out_features)


class _Reversal(Function):
    @staticmethod
    def forward(x: Tensor, rate: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.rate = inputs[1]

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        return -ctx.rate * slopes, None

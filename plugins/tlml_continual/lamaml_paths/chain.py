"""Networks of convolutions and linear layers on single examples, by hand, in NumPy.

A convolution is a product with patches of its input, of which a linear layer has one. Autograd
keeps a graph of a hundred operations on small tensors for the product of such a network's Hessian
and a vector; half as many are left here, and no graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tlml_continual.lamaml_paths.adjoint import Inner, adjoint_slopes
from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Rows, Slopes
from tlml_continual.lamaml_paths.layers import Link
from tlml_continual.lamaml_paths.losses import Array, ByHand, by_hand, shut


class ChainPath:
    """Convolutions and linear layers on a CPU, one example a step; meta-losses by autograd.

    Args:
        links: The layers, first one first.
    """

    name = "closed"

    def __init__(self, links: tuple[Link, ...]) -> None:
        self.links = links
        self._chains: dict[tuple[int, ...], list[Stage]] = {}

    def __reduce__(self) -> tuple[type[ChainPath], tuple[tuple[Link, ...]]]:
        return ChainPath, (self.links,)

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        (x, y, _), names = glance.own, list(glance.theta)
        like = glance.theta[self.links[-1].bias]
        loss = by_hand(y, shut(objective, glance.own, len(like)), like.detach())
        rows, stages = x.flatten(1).numpy(), self._stages(objective.network, x, names)

        def step(at: list[Tensor], _: Rows, number: int) -> Inner:
            return Example(stages, at, rows[number], loss, number)

        with np.errstate(all="ignore"):  # what diverges is told by the loss, as on other paths
            return adjoint_slopes(objective, recipe, glance, step)

    def _stages(self, network: nn.Module, x: Tensor, names: list[str]) -> list[Stage]:
        """Return the layers for inputs of this shape."""
        shape = tuple(x.shape[1:])
        if shape not in self._chains:
            held = dict(network.named_parameters())
            self._chains[shape] = list(_stages(self.links, held, shape, names))
        return self._chains[shape]


@dataclass(frozen=True, slots=True)
class Stage:
    """A layer, for inputs of one shape.

    Args:
        weight: Which of the parameters its weights are.
        bias: Which its biases are.
        gather: Where patches come from, in a flat input with a 0 before it ``[in, places]``; None
            where the input is the only one.
        tanh: Whether the activation is tanh, else relu.
    """

    weight: int
    bias: int
    gather: Array | None
    tanh: bool

    def patches(self, given: Array) -> Array:
        """Return patches ``[in, places]`` of a flat input."""
        if self.gather is None:
            return given[:, None]
        padded = np.empty(len(given) + 1, given.dtype)
        padded[0], padded[1:] = 0, given
        found: Array = padded.take(self.gather)
        return found

    def folded(self, slopes: Array, size: int) -> Array:
        """Return the slope by a flat input of some size, given that by its patches."""
        if self.gather is None:
            return slopes[:, 0]
        found: Array = np.bincount(self.gather.ravel(), slopes.ravel(), size + 1)[1:]
        return found.astype(slopes.dtype, copy=False)

    def activated(self, before: Array) -> tuple[Array, Array]:
        """Return what flat pre-activations give, and the activation's derivative."""
        if self.tanh:
            found = np.tanh(before)
            return found, 1 - found * found
        found = np.maximum(before, 0)
        return found, np.sign(found)


def _stages(
    links: tuple[Link, ...], held: dict[str, nn.Parameter], shape: tuple[int, ...], names: list[str]
) -> Iterator[Stage]:
    for link in links:
        gather: Array | None = None
        sides: tuple[int, ...] = ()
        if link.patches is not None:
            gather, sides = _gather(shape, link.patches)
        yield Stage(
            names.index(link.weight), names.index(link.bias), gather, link.activation == "tanh"
        )
        shape = (len(held[link.weight]), *sides)


def _gather(
    shape: tuple[int, ...], patches: tuple[Any, ...]
) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Return where patches come from, and how many there are along each side."""
    numbers = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64).view(1, *shape)
    sides = tuple(
        (size + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for size, kernel, gap, pad, step in zip(shape[1:], *patches, strict=True)
    )
    return F.unfold(numbers, *patches)[0].long().numpy(), sides


class Example:
    """The loss of one example by hand.

    Args:
        stages: The layers.
        at: All parameters.
        x: The input, flat.
        loss: Of the batch.
        row: Which example it is.

    Attributes:
        slopes: The gradient, by all parameters.
    """

    def __init__(
        self, stages: list[Stage], at: list[Tensor], x: Array, loss: ByHand, row: int
    ) -> None:
        self.stages, self.loss, self.given = stages, loss, [x]
        self.weights = [at[stage.weight].flatten(1).numpy() for stage in stages]
        self.patches: list[Array] = []
        self.bends: list[Array] = []
        scores = self._forward(at)
        self.kept, slope = np.empty_like(scores), np.empty_like(scores)
        loss.of_one(row, scores, slope, self.kept)
        self.backs: list[Array] = []  # slopes by what layers are given, the last one's first
        self.deltas = [slope[:, None]]  # and by pre-activations ``[out, places]``
        self._backward()
        by_weights = [d @ p.T for d, p in zip(reversed(self.deltas), self.patches, strict=True)]
        self.slopes = self._placed(at, by_weights, self.deltas[::-1])

    def turned(self, along: list[Tensor]) -> list[Tensor]:
        """Return the product of the Hessian and a vector (Pearlmutter 1994)."""
        turns = [along[stage.weight].flatten(1).numpy() for stage in self.stages]
        patches: list[Array] = []  # how they change
        given: list[Array] = []
        for i, stage in enumerate(self.stages):
            before = turns[i] @ self.patches[i]
            before += along[stage.bias].numpy()[:, None]
            if i:
                patches.append(stage.patches(given[-1]))
                before += self.weights[i] @ patches[-1]
            given.append(self.bends[i] * before.ravel())
        deltas = self._turned_back(self.loss.turned(self.kept, before.ravel()), turns, given)
        by_weights = [deltas[0] @ self.patches[0].T]
        for i, change in enumerate(patches, 1):
            left = np.concatenate([deltas[i], self.deltas[-1 - i]], 1)
            right = np.concatenate([self.patches[i], change], 1)
            by_weights.append(left @ right.T)
        return self._placed(along, by_weights, deltas)

    def _forward(self, at: list[Tensor]) -> Array:
        """Return the scores."""
        for stage, weight in zip(self.stages, self.weights, strict=True):
            self.patches.append(stage.patches(self.given[-1]))
            before = weight @ self.patches[-1]
            before += at[stage.bias].numpy()[:, None]
            given, bend = stage.activated(before.ravel())
            self.given.append(given)
            self.bends.append(bend)
        scores: Array = before.ravel()
        return scores

    def _backward(self) -> None:
        """Find the slopes by all pre-activations."""
        for i in range(len(self.stages) - 1, 0, -1):
            by_patches = self.weights[i].T @ self.deltas[-1]
            self.backs.append(self.stages[i].folded(by_patches, len(self.given[i])))
            delta = self.backs[-1] * self.bends[i - 1]
            self.deltas.append(delta.reshape(len(self.weights[i - 1]), -1))

    def _turned_back(self, change: Array, turns: list[Array], given: list[Array]) -> list[Array]:
        """Return how the slopes by all pre-activations change, first layer first."""
        found = [change[:, None]]
        for i in range(len(self.stages) - 1, 0, -1):
            by_patches = self.weights[i].T @ found[0] + turns[i].T @ self.deltas[-1 - i]
            back = self.stages[i].folded(by_patches, len(self.given[i])) * self.bends[i - 1]
            if self.stages[i - 1].tanh:
                back -= 2 * self.given[i] * given[i - 1] * self.backs[-i]
            found.insert(0, back.reshape(len(self.weights[i - 1]), -1))
        return found

    def _placed(
        self, like: list[Tensor], by_weights: list[Array], deltas: list[Array]
    ) -> list[Tensor]:
        """Return slopes by all parameters in their order and shapes."""
        found = list(like)
        for stage, by_weight, delta in zip(self.stages, by_weights, deltas, strict=True):
            found[stage.weight] = torch.from_numpy(by_weight).view_as(like[stage.weight])
            found[stage.bias] = torch.from_numpy(np.add.reduce(delta, 1))
        return found

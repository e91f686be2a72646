"""Networks of convolutions and linear layers on single examples, by hand, in NumPy.

A convolution is a product with patches of its input, of which a linear layer has one. Autograd takes
a hundred operations for the product of such a network's Hessian and a vector, of which half a
hundred are left here, and keeps no graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
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
            held, made = dict(network.named_parameters()), []
            for link in self.links:
                weight = held[link.weight]
                gather, shape_out = None, (len(weight),)
                if link.patches is not None:
                    gather, sides = _gather(shape, link.patches)
                    shape_out = (len(weight), *sides)
                made.append(
                    Stage(names.index(link.weight), names.index(link.bias), gather,
                          link.activation == "tanh")
                )  # fmt: skip
                shape = shape_out
            self._chains[tuple(x.shape[1:])] = made
        return self._chains[tuple(x.shape[1:])]


def _gather(shape: tuple[int, ...], patches: tuple[Any, ...]) -> tuple[Array, tuple[int, int]]:
    """Return where patches come from in a flat input with a 0 before it, and how many there are."""
    numbers = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64).view(1, *shape)
    found = F.unfold(numbers, *patches)[0].long().numpy()
    sides = [
        (size + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for size, kernel, gap, pad, step in zip(shape[1:], *patches, strict=True)
    ]
    return found, (sides[0], sides[1])


@dataclass(frozen=True, slots=True)
class Stage:
    """A layer, for inputs of one shape.

    Args:
        weight: Which of the parameters its weights are.
        bias: Which its biases are.
        gather: Where patches come from ``[in, places]``; None where the input is one.
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
        """Return the slope by a flat input, given that by its patches."""
        if self.gather is None:
            return slopes[:, 0]
        found = np.bincount(self.gather.ravel(), slopes.ravel(), size + 1)[1:]
        return found.astype(slopes.dtype, copy=False)


class Example:
    """The loss of one example by hand.

    Args:
        stages: The layers.
        at: All parameters.
        x: The input, flat.
        loss: Of the batch.
        row: Which example it is.
    """

    def __init__(
        self, stages: list[Stage], at: list[Tensor], x: Array, loss: ByHand, row: int
    ) -> None:
        self.stages, self.loss = stages, loss
        self.weights = [at[stage.weight].flatten(1).numpy() for stage in stages]
        self.given, self.patches, self.bends = [x], [], []
        for stage, weight in zip(stages, self.weights, strict=True):
            self.patches.append(stage.patches(self.given[-1]))
            before = weight @ self.patches[-1]
            before += at[stage.bias].numpy()[:, None]
            after = (np.tanh(before) if stage.tanh else np.maximum(before, 0)).ravel()
            self.bends.append(1 - after * after if stage.tanh else np.sign(after))
            self.given.append(after)
        scores = before.ravel()
        self.kept, slope = np.empty_like(scores), np.empty_like(scores)
        loss.of_one(row, scores, slope, self.kept)
        self.deltas, self.backs = [slope[:, None]], []
        for i in range(len(stages) - 1, 0, -1):
            back = self.stages[i].folded(self.weights[i].T @ self.deltas[0], len(self.given[i]))
            self.backs.insert(0, back)
            delta = back * self.bends[i - 1]
            self.deltas.insert(0, delta.reshape(len(self.weights[i - 1]), -1))
        self.slopes = self._placed(
            at, [d @ p.T for d, p in zip(self.deltas, self.patches, strict=True)], self.deltas
        )

    def turned(self, along: list[Tensor]) -> list[Tensor]:
        """Return the product of the Hessian and a vector (Pearlmutter 1994)."""
        turns, turned = [along[stage.weight].flatten(1).numpy() for stage in self.stages], []
        changes, given = [], np.zeros(0)
        for i, stage in enumerate(self.stages):
            before = turns[i] @ self.patches[i]
            before += along[stage.bias].numpy()[:, None]
            if i:
                changes.append(stage.patches(given))
                before += self.weights[i] @ changes[-1]
            given = self.bends[i] * before.ravel()
            turned.append(given)
        delta = self.loss.turned(self.kept, before.ravel())[:, None]
        by_weights, deltas = [], []
        for i in range(len(self.stages) - 1, -1, -1):
            deltas.insert(0, delta)
            if not i:
                by_weights.insert(0, delta @ self.patches[0].T)
                break
            left = np.concatenate([delta, self.deltas[i]], 1)
            right = np.concatenate([self.patches[i], changes[i - 1]], 1)
            by_weights.insert(0, left @ right.T)
            back = self.stages[i].folded(
                self.weights[i].T @ delta + turns[i].T @ self.deltas[i], len(self.given[i])
            )
            back *= self.bends[i - 1]
            if self.stages[i - 1].tanh:
                back -= 2 * self.given[i] * turned[i - 1] * self.backs[i - 1]
            delta = back.reshape(len(self.weights[i - 1]), -1)
        return self._placed(along, by_weights, deltas)

    def _placed(
        self, like: list[Tensor], by_weights: list[Array], deltas: list[Array]
    ) -> list[Tensor]:
        """Return slopes by all parameters in their order and shapes."""
        found = list(like)
        for stage, by_weight, delta in zip(self.stages, by_weights, deltas, strict=True):
            found[stage.weight] = torch.from_numpy(by_weight).view_as(like[stage.weight])
            found[stage.bias] = torch.from_numpy(np.add.reduce(delta, 1))
        return found

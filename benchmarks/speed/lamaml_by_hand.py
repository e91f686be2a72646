"""La-MAML as its authors write it: a list as memory, and autograd through everything.

The parameters are a list, the network is a function of an input and such a list. Examples go
through it one by one, all replay after each of them, and `backward` through the graph of all steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Network = Callable[[Tensor, Sequence[Tensor]], Tensor]


def perceptron(x: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Map inputs through linear layers with ReLU between them."""
    x = x.flatten(1)
    for weight, bias in zip(values[:-2:2], values[1:-2:2], strict=True):
        x = F.relu(F.linear(x, weight, bias))
    return F.linear(x, values[-2], values[-1])


def convolutions(x: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Map images through convolutions of stride 2 and linear layers, with ReLU between them."""
    for weight, bias in zip(values[:-2:2], values[1:-2:2], strict=True):
        if weight.dim() == 4:
            x = F.relu(F.conv2d(x, weight, bias, stride=2, padding=1))
        else:
            x = F.relu(F.linear(x.flatten(1), weight, bias))
    return F.linear(x, values[-2], values[-1])


@dataclass
class ByHand:
    """What learns.

    Args:
        network: A function of inputs and parameters.
        theta: The parameters.
        alpha_init: Where all rates α start.
        alpha_lr: The rate η of α; None: α stays.
        lr: The rate of θ; None: α.
        second: Whether inner steps are differentiated.
        loss_at: The meta-loss: at the ``last`` parameters, or the ``mean`` over all.
        inner_relu: Step by max(0, α) inside.
        inner_clip: What inner gradients are clamped to.
        clip: What gradient norms are clipped to.
        inner_batch: Examples of an inner step.
        memories: Examples that are kept.
        replay: Examples drawn.
        glances: Looks at a batch.
    """

    network: Network
    theta: list[nn.Parameter]
    alpha_init: float
    alpha_lr: float | None = 0.3
    lr: float | None = None
    second: bool = False
    loss_at: Literal["last", "mean"] = "mean"
    inner_relu: bool = True
    inner_clip: float | None = None
    clip: float | None = 2.0
    inner_batch: int = 1
    memories: int = 200
    replay: int = 10
    glances: int = 1
    memory: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    age: int = 0

    def __post_init__(self) -> None:
        self.alpha = [nn.Parameter(torch.full_like(p, self.alpha_init)) for p in self.theta]

    def observe(self, x: Tensor, y: Tensor) -> float:
        """Look at a batch, and keep some of it."""
        loss = 0.0
        for glance in range(self.glances):
            order = torch.randperm(len(x))
            x, y = x[order], y[order]
            loss = self.look(x, y, *self._meta_batch(x, y))
            if glance == 0:
                for pair in zip(x, y, strict=True):
                    self._push(pair)
        return loss

    def look(self, x: Tensor, y: Tensor, meta_x: Tensor, meta_y: Tensor) -> float:
        """Take the inner steps in the order given, and step α and θ."""
        fast: Sequence[Tensor] = self.theta
        losses = []
        for first in range(0, len(x), self.inner_batch):
            rows = slice(first, first + self.inner_batch)
            fast = self._inner_step(x[rows], y[rows], fast)
            if self.loss_at == "mean" or first + self.inner_batch >= len(x):
                losses.append(self._loss(meta_x, meta_y, fast))
        loss = sum(losses[1:], losses[0]) / len(losses)
        loss.backward()
        self._step()
        return loss.item()

    def _inner_step(self, x: Tensor, y: Tensor, fast: Sequence[Tensor]) -> list[Tensor]:
        loss = self._loss(x, y, fast)
        slopes = torch.autograd.grad(loss, fast, create_graph=self.second)
        if self.inner_clip is not None:
            slopes = tuple(s.clamp(-self.inner_clip, self.inner_clip) for s in slopes)
        rates = [F.relu(rate) if self.inner_relu else rate for rate in self.alpha]
        return [p - s * rate for p, s, rate in zip(fast, slopes, rates, strict=True)]

    def _step(self) -> None:
        if self.clip is not None:
            for of in (self.theta, self.alpha):
                torch.nn.utils.clip_grad_norm_(of, self.clip)
        with torch.no_grad():
            for p, rate in zip(self.theta, self.alpha, strict=True):
                assert p.grad is not None
                if self.alpha_lr is not None:
                    assert rate.grad is not None
                    rate -= self.alpha_lr * rate.grad
                p -= p.grad * (F.relu(rate) if self.lr is None else self.lr)
        for value in (*self.theta, *self.alpha):
            value.grad = None

    def _loss(self, x: Tensor, y: Tensor, values: Sequence[Tensor]) -> Tensor:
        scores = self.network(x, values)
        return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)

    def _meta_batch(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return some examples of the memory, drawn with replacement, and the batch."""
        xs, ys, order = [], [], list(range(len(self.memory)))
        for place in range(min(self.replay, len(self.memory))):
            random.shuffle(order)  # anew for each, which is drawing with replacement
            old_x, old_y = self.memory[order[place]]
            xs.append(old_x.numpy())
            ys.append(old_y.numpy())
        xs.extend(x.numpy())
        ys.extend(y.numpy())
        return torch.from_numpy(np.array(xs)), torch.from_numpy(np.array(ys))

    def _push(self, pair: tuple[Tensor, Tensor]) -> None:
        if len(self.memory) < self.memories:
            self.memory.append(pair)
        elif (place := random.randrange(self.age + 1)) < self.memories:
            self.memory[place] = pair
        self.age += 1

"""Learners of streams without a Trainer: small networks in double precision, steps by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from tiny import Letters, Tables
from torch import Tensor, nn

import tlml
from tlml.data import Batch, Step


def network(outputs: int = 1) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, outputs))


def learner(name: str, classes: int = 0, net: nn.Module | None = None, **options: Any) -> Any:
    """Return a learner in double precision that has met values, or so many classes."""
    made = tlml.learner(name, network=net or network(classes or 1), lr=0.1, **options)
    made.view(Tables(classes))
    return made.double()


def on_stream(made: Any, **options: Any) -> Any:
    """Let a learner believe that a Trainer fits it to a stream of six classes in twos."""
    view = made.view(Letters(), ways=2, **options)
    made._trainer = SimpleNamespace(datamodule=view)
    return made.double()


def step(task: int, n: int = 5, classes: int = 0) -> Step:
    """Return a batch of a task, of values or of so many classes."""
    rng = torch.Generator().manual_seed(task)
    x = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    y = torch.arange(n) % classes if classes else x.sum(1, keepdim=True).sin()
    return Step(Batch(x, y), torch.full((n,), task))


def flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def move(made: Any, factor: float) -> None:
    """Let training have changed the network."""
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.mul_(factor)


def descend(made: Any, own: Step, lr: float = 0.1) -> None:
    """Take a plain step as Lightning does, with the hook before it."""
    made.zero_grad()
    made.glance_loss(own).backward()
    made.remember(own)
    made.on_before_optimizer_step(None)
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.sub_(lr * parameter.grad)

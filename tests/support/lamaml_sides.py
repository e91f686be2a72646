"""La-MAML and a slow implementation of it, side by side."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from benchmarks.speed.lamaml_by_hand import ByHand
from tlml import Batch

KINDS = ("lamaml", "sync_lamaml", "cmaml")
VARIANTS = ("official", "paper")
ORDERS = ("first", "second")
PATHS = ("plain", "adjoint", "closed")
CLASSES = 4


def every(*choices: Any) -> list[tuple[Any, ...]]:
    return list(itertools.product(*choices))


def network(*middle: nn.Module, outputs: int = CLASSES, seed: int = 0) -> nn.Sequential:
    """Two hidden layers of odd sizes, whose biases are not 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = middle or (nn.ReLU(), nn.ReLU())
        made = nn.Sequential(
            nn.Linear(6, 9), first, nn.Linear(9, 7), second, nn.Linear(7, outputs)
        ).double()
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter, std=0.3)
    return made


def draws(seed: int, k: int = 5, replay: int | None = 3) -> tuple[Batch, Batch | None]:
    """A batch and, unless None, replayed examples."""
    rng = torch.Generator().manual_seed(seed)

    def rows(n: int) -> Batch:
        x = torch.randn(n, 6, generator=rng, dtype=torch.float64)
        return Batch(x, torch.randint(CLASSES, (n,), generator=rng))

    return rows(k), None if replay is None else rows(replay)


def sides(kind: str, **options: Any) -> tuple[Any, ByHand]:
    """The learner, and the slow one with the same options and parameters."""
    net = network()
    variant = options.get("variant", "official")
    learner = tlml.learner(kind, network=net, alpha_init=0.3, **options).double()
    copy = [nn.Parameter(p.detach().clone()) for p in net.parameters()]

    def forward(x: Tensor, values: Any) -> Tensor:
        w1, b1, w2, b2, w3, b3 = values
        hidden = F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2))
        return F.linear(hidden, w3, b3)

    slow = ByHand(
        forward, copy, 0.3, second=options.get("order") == "second",
        alpha_lr=None if kind == "cmaml" else learner.alpha_lr,
        lr=None if kind == "lamaml" else learner.lr,
        loss_at="mean" if variant == "official" else "last",
        inner_relu=options.get("inner_relu", variant == "official"),
        inner_clip=options.get("inner_clip"),
        clip=options.get("grad_clip_norm", 2.0 if variant == "official" else None) or None,
        inner_batch=options.get("inner_batch", 1),
    )  # fmt: skip
    return learner, slow


def look(slow: ByHand, own: Batch, replay: Batch | None) -> float:
    parts = [replay, own] if replay is not None else [own]
    meta = [torch.cat([part[i] for part in parts]) for i in range(2)]
    return slow.look(*own, *meta)


def distance(found: Any, right: Any) -> float:
    """The largest distance of a tensor from what is right, as a share of the latter's norm."""
    pairs = zip(found, right, strict=True)
    return max(float((a - b).detach().norm() / b.detach().norm()) for a, b in pairs)


def slopes(net: nn.Module, at: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in at.items()}
    loss = F.cross_entropy(torch.func.functional_call(net, leaves, (batch.x,)), batch.y)
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

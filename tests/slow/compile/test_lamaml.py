"""La-MAML's glance as a compiled program gives what it gives uncompiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import tlml
from tlml import Batch


def network(kind: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if kind == "convolutions":
            made = nn.Sequential(
                nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3)
            )
        else:
            made = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3))
    return made.double()


def batches(kind: str) -> tuple[Batch, Batch]:
    rng = torch.Generator().manual_seed(2)
    shape = (1, 6, 6) if kind == "convolutions" else (4,)

    def rows(n: int) -> Batch:
        x = torch.randn(n, *shape, generator=rng, dtype=torch.float64)
        return Batch(x, torch.randint(3, (n,), generator=rng))

    return rows(3), rows(2)


@pytest.mark.parametrize(
    ("kind", "order", "loss_at"),
    [("convolutions", "second", "mean"), ("layers", "second", "last"), ("layers", "first", "mean")],
)
def test_a_compiled_glance_equals_an_uncompiled_one(kind: str, order: str, loss_at: str) -> None:
    found: list[Any] = []
    for path in ("plain", "compiled"):
        learner: Any = tlml.learner(
            "lamaml", network=network(kind), order=order, loss_at=loss_at, path=path, replay=2,
            alpha_init=0.1, alpha_lr=0.1,
        ).double()  # fmt: skip
        own, replay = batches(kind)
        learner.meta_update(own)  # without replay, which is not compiled
        for _ in range(3):
            learner.meta_update(own, replay)
        if path == "compiled":
            (chosen,) = learner._paths.values()
            assert len(chosen.path._programs) == 1
        found.append([*learner.network.parameters(), *learner.alpha.values()])
    for right, other in zip(*found, strict=True):
        torch.testing.assert_close(other, right, rtol=1e-9, atol=1e-12)

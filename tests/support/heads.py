"""Learners whose head is computed from the support, small, with letters and a task for them."""

from __future__ import annotations

from typing import Any

import torch
from tiny import Letters

import tlml
from tlml import Batch, Episode

HEADS = ["protonet", "matching", "relation", "baseline_pp", "r2d2", "metaoptnet"]
LETTERS = Letters({"source": [20] * 8, "validation": [12] * 5, "target": [12] * 7}, shape=(6,))


def learner_of(name: str, **options: Any) -> Any:
    return tlml.learner(name, network="mlp", network_options={"hidden": [16]}, **options)


def task(ways: int = 3, shots: int = 2, dtype: torch.dtype = torch.float32) -> Episode:
    rng = torch.Generator().manual_seed(2)
    centres = 2 * torch.randn(ways, 6, generator=rng, dtype=dtype)

    def side(n: int) -> Batch:
        y = torch.arange(ways).repeat(n)
        return Batch(centres[y] + torch.randn(len(y), 6, generator=rng, dtype=dtype), y)

    return Episode(side(shots), side(4))

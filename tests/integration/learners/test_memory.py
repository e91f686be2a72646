"""A test keeps nothing of the inner steps that it has behind it."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from trainers import quiet_trainer

import tlml


class Kept:
    """A tensor that a backward pass is to need."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def most_kept(learner: str, strategy: str, steps: int, **options: Any) -> int:
    """Return how many tensors are kept for backward passes at once in a test, at most."""
    domain, kept, counts = tlml.domain("sinusoid"), weakref.WeakSet[Kept](), [0]

    def keep(tensor: Tensor) -> Kept:
        one = Kept(tensor)
        kept.add(one)
        counts.append(len(kept))
        return one

    made = tlml.learner(learner, network="mlp", network_options={"hidden": [8]})
    made.view(domain, shots=3, queries=3) if learner == "maml" else made.view(domain)
    adapt = tlml.strategy(strategy, steps=steps, **options)
    view = tlml.EpisodeView(domain, shots=3, queries=3, episodes=2, adapt=adapt)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one.tensor):
        quiet_trainer().test(made, datamodule=view, verbose=False)
    return max(counts)


@pytest.mark.parametrize(
    ("learner", "strategy", "options"),
    [
        ("supervised", "full", {}), ("supervised", "scratch", {}),
        ("supervised", "linear_probe", {}), ("supervised", "lora", {"rank": 1}),
        ("supervised", "l2_sp", {}), ("maml", "sgd", {"lr": 0.001}),
        ("maml", "meta_sgd", {"lr": 0.001}),
    ],
)  # fmt: skip
def test_a_test_keeps_no_more_for_more_inner_steps(
    learner: str, strategy: str, options: dict[str, Any]
) -> None:
    few, many = (most_kept(learner, strategy, steps, **options) for steps in (2, 20))
    assert 0 < many <= few

"""What the oracles of the MAML family share: tasks, learners, and how equal is equal."""

from __future__ import annotations

import pytest
import torch
from inner_loops import PROBLEMS, Rule, Values
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode

KINDS = pytest.mark.parametrize("kind", PROBLEMS)
ORDERS = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
PATHS = pytest.mark.parametrize("path", ["loop", "vmap", "auto"])
RATE = 0.15


def episode(kind: str) -> Episode:
    sx, sy, qx, qy = PROBLEMS[kind].tasks()
    return Episode(Batch(sx, sy), Batch(qx, qy))


def made(name: str, network: nn.Module, **options) -> tlml.GradientLearner:
    learner = tlml.learner(name, network=network, **options)
    assert isinstance(learner, tlml.GradientLearner)
    return learner


def slopes_of(learner: tlml.GradientLearner, data: Episode) -> tuple[Tensor, Values]:
    loss = learner.meta_loss(data)
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in learner.built().named_parameters()}


def check_equal(found: Values, expected: Values, rtol: float = 1e-8) -> None:
    assert found.keys() == expected.keys()
    scale = max(float(value.abs().max()) for value in expected.values())
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=rtol, atol=1e-2 * rtol * scale)


def moving(kind: str, *, head: bool) -> Rule:
    return Rule(
        lambda name, step, slope, learned: RATE * slope,
        lambda name: (name in PROBLEMS[kind].head) == head,
    )

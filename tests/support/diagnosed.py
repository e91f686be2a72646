"""Learners to diagnose, and loops written out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from tiny import Dropping, Letters, Tables
from torch import nn

import tlml
from tlml import Diagnosis, EpisodeView, GradientLearner, Strategy

CONV = {"network": "conv4", "network_options": {"channels": 3, "blocks": 2}}


RATE, STEPS = 0.05, 3


class Noisy(Strategy):
    """Steps that draw: each is a function of the episode and of the draws before it."""

    def steps(self, loss: Any, params: Any, support: Any) -> Iterator[Any]:
        for _ in range(self.max_steps):
            slopes = tlml.gradient(loss, params, support)
            params = {
                n: p - RATE * slopes[n] + 0.1 * torch.randn_like(p) for n, p in params.items()
            }
            yield params


def small(*, classes: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Dropping(2, classes or 1)


def maml(network: nn.Module, **options: Any) -> GradientLearner:
    strategy = tlml.strategy("sgd", lr=RATE, steps=STEPS)
    learner = tlml.learner("maml", **{"network": network, "strategy": strategy, **options})
    assert isinstance(learner, GradientLearner)
    return learner


def last_steps(found: Diagnosis) -> pd.DataFrame:
    return found.curve[found.curve["step"] == found.curve["step"].max()].reset_index()


def cases() -> dict[str, tuple[GradientLearner, EpisodeView]]:
    letters = Letters(shape=(1, 6, 6))
    conv = tlml.learner("maml", strategy=tlml.strategy("sgd", lr=0.2, steps=2), **CONV)
    two = conv.view(letters, ways=3, shots=2, queries=3, episodes=4, tasks_per_batch=2, seed=5)
    values = maml(small())
    return {
        "values": (values, values.view(Tables(), shots=4, queries=4, episodes=4)),
        "batchnorm": (conv, two),
        "other strategy": (
            maml(small()),
            EpisodeView(Tables(), shots=4, queries=4, episodes=4, adapt=tlml.strategy("full")),
        ),
        "new head": (
            maml(small(classes=3)),
            EpisodeView(Tables(3), shots=2, queries=2, episodes=4, head="new"),
        ),
        "fresh start": (
            maml(small()),
            EpisodeView(Tables(), shots=4, queries=4, episodes=4, adapt=tlml.strategy("scratch")),
        ),
        "draws": (maml(small(), strategy=Noisy(steps=3)), values.view(Tables(), shots=4, queries=4,
                                                                      episodes=4)),
        "another split": (
            maml(small()),
            EpisodeView(Tables(), shots=4, queries=4, episodes=4, split="source"),
        ),
    }  # fmt: skip

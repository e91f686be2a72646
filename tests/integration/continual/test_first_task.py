"""What is left of the first task when handwritten digits come one after the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from trainers import quiet_trainer

import tlml
from tlml import Retention

LEARNERS: dict[str, dict[str, Any]] = {
    "naive": {"lr": 0.1},
    "mer": {"lr": 0.05, "s": 1, "beta": 0.3, "replay": 3, "memory_size": 80},
    "icarl": {"lr": 0.1, "memory_size": 80},
    "gdumb": {"epochs_on_memory": 30, "memory_size": 80},
    "ncm": {},
    "ranpac": {"projection": 500},
}
SAMPLES, BATCH, TASKS = 110, 5, 5


@cache
def rows(name: str) -> Any:
    """Return R of five tasks of two digits each."""
    torch.manual_seed(0)
    learner = tlml.learner(name, network="mlp", network_options={"hidden": [64]}, **LEARNERS[name])
    trainer = quiet_trainer(max_epochs=-1)
    domain = tlml.domain("split_digits")
    trainer.fit(learner, learner.view(domain, ways=2, samples=SAMPLES, batch_size=BATCH))
    assert trainer.global_step == TASKS * SAMPLES // BATCH
    return Retention.of(trainer).matrix


def test_naive_learning_forgets_it() -> None:
    assert rows("naive")[0, 0] > 0.9
    assert rows("naive")[-1, 0] < 0.1


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "naive"])
def test_these_retain_it_and_learn_the_others(name: str) -> None:
    found = rows(name)
    assert found[0, 0] > 0.9
    assert found[-1, 0] > 0.5
    assert found[-1].mean() > rows("naive")[-1].mean() + 0.4

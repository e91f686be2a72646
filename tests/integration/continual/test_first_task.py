"""What is left of the first task when classes came one after the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from tiny import MLP, Letters
from trainers import quiet_trainer

import tlml
from tlml import Retention

DOMAIN = Letters({"source": [40] * 6, "validation": [4] * 2, "target": [4] * 2}, shape=(6,))
LEARNERS: dict[str, dict[str, Any]] = {
    "naive": {"lr": 0.1},
    "icarl": {"lr": 0.1, "memory_size": 30, "replay": 8},
    "gdumb": {"memory_size": 30},
    "ncm": {},
    "ranpac": {"projection": 50},
}


@cache
def rows(name: str) -> Any:
    torch.manual_seed(0)
    learner = tlml.learner(name, **MLP, **LEARNERS[name])
    trainer = quiet_trainer(max_epochs=-1)
    trainer.fit(learner, learner.view(DOMAIN, ways=2, batch_size=8))
    assert trainer.global_step == 3 * 8
    return Retention.of(trainer).matrix


def test_naive_learning_forgets_it() -> None:
    assert rows("naive")[0, 0] == 1
    assert rows("naive")[-1, 0] == 0


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "naive"])
def test_these_retain_it(name: str) -> None:
    found = rows(name)
    assert found[0, 0] > 0.9
    assert found[-1, 0] > 0.7
    assert found[-1].mean() > 0.7  # and learn the others

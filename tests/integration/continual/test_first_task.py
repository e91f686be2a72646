"""What is left of the first task when handwritten digits come one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from gymnasium.spaces import Box
from sklearn.datasets import load_digits
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import ClassPool, Retention
from tlml.data import Split


class Digits(ClassPool):
    """Handwritten digits as vectors, by class."""

    def __init__(self) -> None:
        self.x = Box(0, 1, (64,))

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Return the same digits for every split: nothing is carried over here."""
        data = load_digits()
        x = torch.from_numpy(data.data / 16).float()
        return {str(digit): x[torch.from_numpy(data.target == digit)] for digit in range(10)}


LEARNERS: dict[str, dict[str, Any]] = {
    "naive": {"lr": 0.1},
    "mer": {"lr": 0.05, "s": 1, "beta": 0.3, "replay": 3},
    "icarl": {"lr": 0.1},
    "gdumb": {"epochs_on_memory": 30},
    "ncm": {},
    "ranpac": {},
}


@cache
def rows(name: str) -> Any:
    """Return R of five tasks of two digits each; the memory is a tenth of them."""
    kept = {"memory_size": 100} if name in ("mer", "icarl", "gdumb") else {}
    learner = tlml.learner(
        name, network="mlp", network_options={"hidden": [64]}, **kept, **LEARNERS[name]
    )
    trainer = quiet_trainer(max_epochs=-1)
    view = learner.view(Digits(), ways=2, samples=200)
    trainer.fit(learner, view)
    assert trainer.global_step == 5 * 20
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

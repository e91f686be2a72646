"""Networks as people write them, in a Trainer."""

from __future__ import annotations

import pytest
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml.meta.paths import path_for


def test_a_fit_says_that_it_stacks(caplog: pytest.LogCaptureFixture) -> None:
    learner = tlml.learner("maml", network=Plain1())
    view = learner.view(tlml.domain("sinusoid"), tasks_per_batch=4, episodes=8)
    with caplog.at_level("INFO"):
        quiet_trainer(max_epochs=1, limit_val_batches=0).fit(learner, view)
    assert "run by stack (every operation of the network is known" in caplog.text
    assert path_for(learner).name == "stack"


class Plain1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(1, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).tanh())  # type: ignore[no-any-return]

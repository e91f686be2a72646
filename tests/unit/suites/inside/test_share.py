"""The share of a cell that is done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tlml.suites.inside.share import ShareReporter, part_of


def test_parts_of_equal_length_share_the_whole() -> None:
    told: list[float] = []
    for number in range(4):
        report = part_of(told.append, number, 4)
        report(0.0)
        report(1.0)
    assert told == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]


@pytest.mark.parametrize(("step", "total", "share"), [(3, 12, 0.25), (20, 12, 1.0), (3, 0, 0.0)])
def test_a_fit_reports_its_steps(step: int, total: int, share: float) -> None:
    told: list[float] = []
    trainer: Any = SimpleNamespace(
        estimated_stepping_batches=total, global_step=step, lightning_module=None
    )
    ShareReporter(told.append).on_train_batch_end(trainer)
    assert told == [share]


def test_a_test_reports_its_episodes() -> None:
    told: list[float] = []
    trainer: Any = SimpleNamespace(num_test_batches=[4])
    for number in range(4):
        ShareReporter(told.append).on_test_batch_end(trainer, None, None, None, number)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_an_agents_fit_reports_its_steps_in_environments() -> None:
    from agents import Gradients, Lines

    told: list[float] = []
    agent = Gradients(max_env_steps=40)
    agent.view(Lines())
    agent.env_steps.fill_(10)
    trainer: Any = SimpleNamespace(
        estimated_stepping_batches=float("inf"), global_step=3, lightning_module=agent
    )
    ShareReporter(told.append).on_train_batch_end(trainer)
    assert told == [0.25]

"""Agents that learn from rollouts, and agents that learn after each step."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Gradients, Lines, Summing
from refusals import fails


@pytest.mark.parametrize("kind", [Gradients, Summing])
def test_a_batch_is_a_rollout_or_a_block_and_all_that_is_learned(kind: Any) -> None:
    agent = kind()
    agent.enter(agent.view(Lines((5, 9)), envs=4))
    told: list[Any] = []
    agent.update = lambda given: told.append(given) or {}
    agent.training_step(None, 0)
    agent.leave()
    if kind is Gradients:
        assert [one.rewards.shape for one in told] == [(5, 4)]
    else:
        assert len(told) == 4 and sum(len(one.rewards) for one in told) == int(agent.env_steps)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Gradients, {"max_env_steps": 0}, "max_env_steps: must be greater than 0, is 0"),
        (Gradients, {"rollout_steps": 0}, "rollout_steps: must be greater than 0, is 0"),
        (Summing, {"block_steps": 0}, "block_steps: must be greater than 0, is 0"),
    ],
)
def test_options_out_of_range_are_refused(kind: Any, options: Any, message: str) -> None:
    with fails(message):
        kind(**options)

"""Learners of tables in a Trainer: what they solve, and how they go on where they were stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from trainers import fitting_trainer, quiet_trainer

import tlml

TAXI, LAKE = "Taxi-v4", "FrozenLake-v1"


def made(name: str, id: str = "", envs: int = 8, **options: Any) -> tuple[Any, Any]:
    """Return a learner and its view of the lecture's maze, or of one of gymnasium's worlds."""
    domain = tlml.domain("env_family", id=id) if id else tlml.domain("gridworld")
    learner = tlml.learner(name, **options)
    return learner, learner.view(domain, envs=envs, test_episodes=20, split="source")


def fitted(name: str, **options: Any) -> tuple[Any, Any, Any]:
    learner, view = made(name, **options)
    trainer = fitting_trainer(max_epochs=-1)
    trainer.fit(learner, view)
    return learner, view, trainer


def earned(learner: Any, view: Any) -> float:
    (logged,) = quiet_trainer().test(learner, view, verbose=False)
    return float(logged["test_return"])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("q_learning", {"max_env_steps": 8_000, "lr": 0.5}),
        ("sarsa", {"max_env_steps": 8_000, "lr": 0.5}),
        ("monte_carlo", {"max_env_steps": 20_000}),
        ("dyna_q", {"max_env_steps": 2_000, "block_steps": 20}),
    ],
)
def test_the_shortest_way_out_of_the_maze_is_found(name: str, options: dict[str, Any]) -> None:
    learner, view, trainer = fitted(name, **options)
    steps = int(learner.env_steps)
    assert options["max_env_steps"] <= steps <= options["max_env_steps"] + 800
    assert trainer.global_step == trainer.fit_loop.epoch_loop.total_batch_idx + 1
    assert earned(learner, view) == -16


@pytest.mark.parametrize("name", ["value_iteration", "policy_iteration"])
def test_planners_take_no_step_and_stop_when_nothing_changes(name: str) -> None:
    learner, view, trainer = fitted(name)
    assert int(learner.env_steps) == 0 and trainer.global_step < 30
    assert earned(learner, view) == -16
    again = fitted(name, seed=1)[0]
    assert torch.equal(learner.q, again.q)


@pytest.mark.parametrize("id", [TAXI, LAKE])
def test_planners_agree_on_the_worlds_of_gymnasium(id: str) -> None:
    one, other = (fitted(name, id=id)[0] for name in ("value_iteration", "policy_iteration"))
    # A sweep that changes no value by more than t leaves an error of t γ / (1 - γ) at most.
    assert float((one.q - other.q).abs().max()) < 1e-9 * 0.99 / 0.01
    best = {TAXI: 7.9, LAKE: 0.73}[id]
    assert earned(one, made("value_iteration", id)[1]) == pytest.approx(best, abs=1.5)


class SaveAt(Callback):
    """Saves after so many batches, and stops there."""

    def __init__(self, batches: int, path: Path) -> None:
        self.batches, self.path = batches, path

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.batches:
            trainer.save_checkpoint(self.path, weights_only=False)
            trainer.should_stop = True


@pytest.mark.parametrize("id", [TAXI, LAKE])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("q_learning", {"block_steps": 7}),
        ("dyna_q", {"block_steps": 7, "planning": 3}),
        ("sarsa", {"rollout_steps": 7}),
        ("monte_carlo", {"rollout_steps": 7}),
    ],
)
def test_a_fit_stopped_within_an_episode_goes_on_bit_for_bit(
    name: str, options: dict[str, Any], id: str, tmp_path: Path
) -> None:
    given = {"id": id, "envs": 3, "max_env_steps": 400, "epsilon_end": 0.5, **options}
    whole, _, _ = fitted(name, **given)

    learner, view = made(name, **given)
    stopped = fitting_trainer(max_epochs=-1, callbacks=[SaveAt(5, tmp_path / "last.ckpt")])
    stopped.fit(learner, view)
    assert 0 < int(learner.env_steps) < 400

    resumed, view = made(name, **given)
    torch.manual_seed(5)
    np.random.seed(5)
    fitting_trainer(max_epochs=-1).fit(
        resumed, view, ckpt_path=tmp_path / "last.ckpt", weights_only=True
    )
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


def test_a_saved_agent_acts_without_its_environment(tmp_path: Path) -> None:
    learner, _, trainer = fitted("dyna_q", max_env_steps=500)
    trainer.save_checkpoint(tmp_path / "agent.ckpt")
    loaded: Any = tlml.load(tmp_path / "agent.ckpt")
    states = np.arange(88)
    assert np.array_equal(loaded.act(states), learner.act(states))

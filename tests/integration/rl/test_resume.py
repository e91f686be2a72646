"""Agents that are killed within an episode go on to the last bit, in every kind of environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from trainers import fitting_trainer

import tlml

PPO = {"rollout_steps": 24, "batch_size": 48, "epochs": 2, "network_options": {"hidden": [8]}}
REPLAY = {
    "learning_starts": 30, "batch_size": 8, "buffer_size": 200, "train_every": 4, "block_steps": 16,
    "gradient_steps": 2, "network_options": {"hidden": [8]},
}  # fmt: skip
# Domain, its options, learner, its options; all end episodes on the way, or are within long ones.
CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "cartpole": ("cartpole", {}, "ppo", PPO),
    "cartpole, normalised": (
        "cartpole", {}, "ppo",
        {**PPO, "normalise_observations": True, "normalise_rewards": True, "target_kl": 0.01},
    ),
    "cartpole, a2c": (
        "cartpole", {}, "a2c", {"rollout_steps": 8, "network_options": {"hidden": [8]}},
    ),
    "acrobot": ("acrobot", {}, "ppo", PPO),
    "mountaincar": ("mountaincar", {}, "ppo", PPO),
    "lunarlander": ("lunarlander", {}, "ppo", PPO),
    "bipedal walker": ("env_family", {"id": "BipedalWalker-v3"}, "ppo", PPO),
    "half cheetah": ("env_family", {"id": "HalfCheetah-v5"}, "ppo", PPO),
    "pendulum, sac": ("pendulum", {}, "sac", REPLAY),
    "pendulum, td3": ("pendulum", {}, "td3", REPLAY),
    "hopper": ("hopper", {"mass": 1.2}, "ppo", PPO),
    "pong, from frames": (
        "atari", {"size": 36}, "ppo",
        {**PPO, "network": "nature_cnn", "network_options": {"hidden": 8}},
    ),
    "minigrid": ("minigrid", {}, "ppo", PPO),
    "taxi": ("env_family", {"id": "Taxi-v4"}, "q_learning", {"block_steps": 24}),
    "frozen lake": ("env_family", {"id": "FrozenLake-v1"}, "q_learning", {"block_steps": 24}),
}  # fmt: skip


class Kill(pl.Callback):
    def __init__(self, after: int, path: Path) -> None:
        self.after, self.path = after, path

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == self.after:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def made(name: str) -> tuple[Any, tlml.View]:
    domain, options, learner, own = CASES[name]
    agent: Any = tlml.learner(learner, max_env_steps=260, seed=1, **own)
    return agent, agent.view(tlml.domain(domain, **options), envs=2, seed=4)


def fit(agent: Any, view: tlml.View, path: Path | None = None, **options: Any) -> dict[str, Any]:
    resume = {"ckpt_path": path, "weights_only": True} if path else {}
    trainer = fitting_trainer(max_epochs=-1, **options)
    trainer.fit(agent, view, **resume)
    steppers = [optimizer.state_dict()["state"] for optimizer in trainer.optimizers]
    return {**agent.state_dict(), **{f"{i}": state for i, state in enumerate(steppers)}}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_that_was_killed_within_an_episode_equals_the_whole(
    name: str, tmp_path: Path
) -> None:
    whole = fit(*made(name))
    killed, view = made(name)
    with pytest.raises(SystemExit):
        fit(killed, view, callbacks=[Kill(3, tmp_path / "a.ckpt")])
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["tlml"]["environments"]
    assert saved["counts"].sum() > 0  # within an episode
    again = fit(*made(name), tmp_path / "a.ckpt")
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


def test_an_agent_that_normalises_keeps_what_it_is_worth(tmp_path: Path) -> None:
    agent, view = made("cartpole, normalised")
    fit(agent, view)
    trainer = fitting_trainer()
    trainer.strategy.connect(agent)
    environments = view.dataset("target", 4)[0]  # type: ignore[attr-defined]
    before = agent.play(environments)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded: Any = tlml.load(tmp_path / "a.ckpt")
    assert loaded.play(environments) == before == agent.play(environments)
    assert int(loaded.env_steps) == int(agent.env_steps)

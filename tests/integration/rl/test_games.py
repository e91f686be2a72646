"""Agents of video games in a fit: their environments, and their videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trainers import quiet_trainer

import tlml
from tlml.learners import RecordVideos

PPO = {"rollout_steps": 16, "batch_size": 32, "epochs": 1, "network_options": {"hidden": 8}}


def learned(vectorization: str) -> dict[str, Any]:
    agent: Any = tlml.learner("ppo", network="nature_cnn", max_env_steps=64, **PPO)
    domain = tlml.domain("atari", game="Breakout", size=36)
    view = agent.view(domain, envs=2, vectorization=vectorization)
    quiet_trainer(max_epochs=-1, limit_val_batches=0).fit(agent, view)
    return agent.state_dict()


def test_games_in_processes_of_their_own_are_the_same() -> None:
    torch.testing.assert_close(learned("async"), learned("sync"), rtol=0, atol=0)


def test_whole_games_are_recorded_in_colour(tmp_path: Path) -> None:
    agent: Any = tlml.learner("ppo", network="nature_cnn", max_env_steps=32, **PPO)
    short = {"max_num_frames_per_episode": 200}
    domain = tlml.domain("atari", game="Breakout", size=36, source=[short])
    view = agent.view(domain, envs=2, tasks=1, test_episodes=1)
    trainer = quiet_trainer(
        max_epochs=-1, callbacks=[RecordVideos(str(tmp_path))], num_sanity_val_steps=0
    )
    trainer.fit(agent, view)
    (video,) = tmp_path.glob("env-steps-32/*.mp4")
    assert video.stat().st_size > 1000

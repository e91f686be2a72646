"""Videos of an agent in a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainers import quiet_trainer

import tlml
from tlml.learners import RecordVideos


def test_an_episode_is_recorded_after_each_validation(tmp_path: Path) -> None:
    agent: Any = tlml.learner("ppo", max_env_steps=600, network_options={"hidden": [8]})
    view = agent.view(tlml.domain("cartpole"), tasks=1, test_episodes=1)
    trainer = quiet_trainer(
        max_epochs=-1, callbacks=[RecordVideos(str(tmp_path))], num_sanity_val_steps=0
    )
    trainer.fit(agent, view)
    found = [*tmp_path.glob("env-steps-*/*.mp4")]
    assert len(found) == 3 and all(path.stat().st_size > 1000 for path in found)

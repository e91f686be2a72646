"""Agents that value actions, without environments: in float64, with steps to replay."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from policy_agents import met

from tlml.data import Rollout, Transitions
from tlml_rl.dqn import DQN
from tlml_rl.off_policy.values_by_hand import ValuesByAutograd

ACTIONS = 3


def dqn(**options: Any) -> DQN:
    """Make a small agent whose network differs from its target, and fill its memory."""
    small = {
        "network_options": {"hidden": [6, 5]}, "buffer_size": 120, "batch_size": 8,
        "learning_starts": 10, "train_every": 4, "gradient_steps": 3, "seed": 1,
    }  # fmt: skip
    agent: DQN = met(DQN(**{**small, **options}), Discrete(ACTIONS))
    agent.target.double()
    for seed in range(2):
        agent.replay.write(rollout(30, 2, seed))
    return agent


def rollout(steps: int, envs: int, seed: int, masks: bool = False) -> Rollout:
    """Draw a rollout with ends, cuts, both, and resets as NEXT_STEP has them."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(steps + 1, envs, 3)).astype(np.float32)
    over = rng.random((2, steps, envs)) < 0.15
    valid = np.ones((steps, envs), bool)
    for t in range(1, steps):
        valid[t] = ~((over[0] | over[1])[t - 1] & valid[t - 1])
        over[:, t] &= valid[t]
    rewards = np.where(valid, 2 * rng.normal(size=(steps, envs)), 0.0).astype(np.float32)
    actions = rng.integers(ACTIONS, size=(steps, envs))
    told = Rollout(*map(torch.from_numpy, (observations, actions, rewards, *over, valid)))
    allowed = rng.random((steps, envs, ACTIONS)) < 0.6
    allowed[..., 1] = True
    return told._replace(allowed=torch.from_numpy(allowed)) if masks else told


def drawn(agent: DQN, seed: int = 0) -> Transitions:
    """Draw the minibatches of a turn."""
    rng = np.random.default_rng(seed)
    return agent.replay.draw(rng, agent.gradient_steps, agent.batch_size, agent.priority_beta)


def by_autograd(agent: DQN) -> DQN:
    """Let an agent compute by autograd."""
    agent.path()
    agent._path = ValuesByAutograd(agent.built(), agent.target, agent._flat)
    return agent

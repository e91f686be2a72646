"""Agents with two critics, without environments: in float64, with steps to replay."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from policy_agents import met
from value_agents import rollout

from tlml.data import Rollout, Transitions
from tlml_rl.off_policy.twins_by_hand import TwinsByAutograd

ACTIONS = Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 1.0], np.float32))


def twins(kind: Any, **options: Any) -> Any:
    """Make a small agent whose networks differ from their targets, and fill its memory."""
    small = {
        "network_options": {"hidden": [6, 5]}, "buffer_size": 120, "batch_size": 8,
        "learning_starts": 10, "train_every": 4, "gradient_steps": 3, "seed": 1,
    }  # fmt: skip
    agent = met(kind(**{**small, **options}), ACTIONS)
    for name, _ in agent._followed():
        setattr(agent, name, getattr(agent, name).double())
    for seed in range(2):
        agent.replay.write(numbers(30, 2, seed))
    return agent


def numbers(steps: int, envs: int, seed: int) -> Rollout:
    """Draw a rollout whose actions are two numbers from −1 to 1."""
    rng = np.random.default_rng([seed, 7])
    actions = rng.uniform(-1, 1, (steps, envs, 2)).astype(np.float32)
    return rollout(steps, envs, seed)._replace(actions=torch.from_numpy(actions))


def drawn(agent: Any, seed: int = 0) -> Transitions:
    """Draw the minibatches of a turn."""
    rng = np.random.default_rng(seed)
    found: Transitions = agent.replay.draw(rng, agent.gradient_steps, agent.batch_size)
    return found


def by_autograd(agent: Any) -> Any:
    """Let an agent compute by autograd."""
    agent.path()
    agent._path = TwinsByAutograd(agent.built(), agent._targets(), agent._regions)
    return agent

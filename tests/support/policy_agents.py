"""Agents with policies without environments: spaces, rollouts, and networks in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space

from tlml.data import Rollout
from tlml.views import ViewSpaces
from tlml_rl.base.by_hand import AutogradPath

INPUTS = Box(-1, 1, (3,), np.float32)


def met(agent: Any, actions: Space[Any] | None = None, inputs: Box = INPUTS) -> Any:
    """Let an agent build its network, in float64, and move it from where all actions are alike."""
    agent.meet(ViewSpaces(inputs, actions or Discrete(2)))
    network = agent.built().double()
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
    return agent


def rollout_of(agent: Any, steps: int, envs: int, seed: int = 0, share: float = 0.2) -> Rollout:
    """Draw a rollout with ends, cuts and resets as NEXT_STEP has them; actions are the agent's."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(steps + 1, envs, *agent.inputs.space.shape)).astype(np.float32)
    over = rng.random((2, steps, envs)) < share
    valid = np.ones((steps, envs), bool)
    for t in range(1, steps):
        valid[t] = ~((over[0] | over[1])[t - 1] & valid[t - 1])
        over[:, t] &= valid[t]
    rewards = np.where(valid, rng.normal(size=(steps, envs)), 0.0).astype(np.float32)
    policy, log_std = agent.policy, agent.built().log_std
    seen = observations[:-1].reshape(steps * envs, -1)
    outputs = AutogradPath(agent.built(), policy, None).outputs(seen)
    noise = policy.noise(rng, steps * envs)
    spread = None if log_std is None else log_std.detach().numpy()
    actions = np.asarray(policy.choose(outputs, noise, spread))
    arrays = (observations, actions.reshape(steps, envs, *actions.shape[1:]), rewards, *over, valid)
    return Rollout(*map(torch.from_numpy, arrays))


def by_autograd(agent: Any) -> Any:
    """Let an agent compute by autograd."""
    path = agent.path()
    agent._path = AutogradPath(agent.built(), agent.policy, path.flat)
    return agent


def values_of(agent: Any) -> torch.Tensor:
    """Return all parameters in a row."""
    return torch.cat([p.detach().reshape(-1) for p in agent.built().parameters()])

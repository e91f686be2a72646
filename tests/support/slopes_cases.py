"""Agents' networks with rows to learn from, of all kinds of actions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch import Tensor

from tlml_rl.base.actor_critic import ActorCritic, actor_critic
from tlml_rl.base.objective import Rows
from tlml_rl.base.policies import Policy, policy_for

SPACES = {
    "categorical": (Discrete(3), "gaussian"),
    "multi": (MultiDiscrete([2, 3]), "gaussian"),
    "bernoulli": (MultiBinary(3), "gaussian"),
    "gaussian": (Box(-2, 2, (2,)), "gaussian"),
    "squashed": (Box(-2, 2, (2,)), "squashed"),
}
INPUTS = Box(-1, 1, (2, 2))


class Case(NamedTuple):
    """A network, its policy, and where to learn."""

    network: ActorCritic
    policy: Policy
    rows: Rows


def case(
    kind: str, hidden: list[int], activation: str, seed: int, *,
    dtype: torch.dtype = torch.float64, rows: int = 17, masks: bool = False,
) -> Case:  # fmt: skip
    """Return a network that tells actions apart, and rows."""
    space, boxes = SPACES[kind]
    policy = policy_for(space, boxes)
    network = actor_critic(
        INPUTS, policy.size, hidden=hidden, activation=activation, seed=seed,
        log_std=-0.3 if policy.has_log_std else None,
    ).to(dtype)  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():  # an actor whose outputs differ, so that slopes do
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=rng).to(dtype)
    inputs = torch.randn(rows, 2, 2, generator=rng).to(dtype)
    allowed = (torch.rand(rows, policy.size, generator=rng) < 0.6) if masks else None
    if allowed is not None:
        allowed[:, [0, -1]] = True
    return Case(network, policy, some_rows(network, policy, inputs, rng, allowed))


def some_rows(
    network: ActorCritic, policy: Policy, inputs: Tensor, rng: torch.Generator,
    masks: Tensor | None,
) -> Rows:  # fmt: skip
    """Draw actions, and the rest around what the network says, so that some clips bite."""
    number = len(inputs)
    with torch.no_grad():
        outputs, values = network(inputs)
        if masks is not None:
            outputs = torch.where(masks, outputs, -torch.inf)
        noise = policy.noise(
            np.random.default_rng(int(torch.randint(99, (), generator=rng))), number
        )
        spread = None if network.log_std is None else network.log_std.detach().numpy()
        actions = torch.from_numpy(np.asarray(policy.choose(outputs.numpy(), noise, spread)))
        now = policy.log_prob(outputs, actions, network.log_std)
    noises = torch.randn(4, number, generator=rng).to(values)
    weights = (torch.rand(number, generator=rng) < 0.8).to(values)
    weights[0] = 1
    return Rows(
        inputs, actions, now + 0.3 * noises[0], noises[1], values + noises[2],
        values + 0.3 * noises[3], weights / weights.sum(), masks,
    )  # fmt: skip

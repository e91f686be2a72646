"""The policy gradient of a two-state decision process in closed form, by REINFORCE and A2C."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from policy_agents import by_autograd, met, rollout_of, values_of
from torch import Tensor, nn

from tlml import TlmlError
from tlml.data import Rollout
from tlml.views import ViewSpaces
from tlml_rl.a2c import A2C
from tlml_rl.base.actor_critic import ActorCritic, Head
from tlml_rl.reinforce import Reinforce

# In state 0 an action leads to the state of its number, where another one ends the episode. The
# chances of action 0 in both states, so that 16 trajectories have them exactly.
FIRST = (3 / 4, 1 / 2, 1 / 4)  # at the start, then in state 0 and in state 1
REWARDS = np.array([[1.0, -2.0], [3.0, 0.5]])  # by state and action
START = np.array([0.5, -1.0])  # by the first action


def tabular(agent: Any) -> Any:
    """Give an agent a logit for each state and action: three states, told by a one."""
    identity = nn.Flatten()
    network = ActorCritic(identity, identity, Head((3, 3), 2)).double()
    with torch.no_grad():
        for state, chance in enumerate(FIRST):
            network.head.policy.weight[0, state] = math.log(chance / (1 - chance))
            network.head.policy.weight[1, state] = 0.0
        network.head.policy.bias.zero_()
        network.head.value.weight.zero_()
        network.head.value.bias.zero_()
    agent.network = None
    agent.meet(ViewSpaces(Box(0, 1, (3,), np.float32), Discrete(2)))
    agent.network = network
    return agent


def trajectories() -> Rollout:
    """Return 16 episodes of two steps, each trajectory as often as its probability says."""
    columns = []
    for first in range(2):
        for second in range(2):
            chance = (FIRST[0] if first == 0 else 1 - FIRST[0]) * (
                FIRST[1 + first] if second == 0 else 1 - FIRST[1 + first]
            )
            columns += [(first, second)] * round(16 * chance)
    actions = torch.tensor(columns).T
    assert actions.shape == (2, 16)
    states = torch.stack([torch.zeros(16, dtype=torch.int64), 1 + actions[0]])
    observations = nn.functional.one_hot(torch.cat([states, states[:1]]), 3).float()
    rewards = torch.from_numpy(np.stack([START[actions[0]], REWARDS[actions[0], actions[1]]]))
    over = torch.tensor([[False], [True]]).expand(2, 16)
    never = torch.zeros(2, 16, dtype=torch.bool)
    return Rollout(observations, actions, rewards.float(), over, never, ~never)


def closed_form(gamma: float) -> Tensor:
    """Return dJ / dθ[action, state] of J = Σ π(a) [r(a) + γ Σ π(b|a) r(a, b)]."""
    chances = np.array([[c, 1 - c] for c in FIRST])
    follows = (chances[1:] * REWARDS).sum(1)
    worth = START + gamma * follows
    found = np.zeros((2, 3))
    found[:, 0] = chances[0] * (worth - (chances[0] * worth).sum())
    for state in range(2):
        away = REWARDS[state] - follows[state]
        found[:, 1 + state] = chances[0, state] * gamma * chances[1 + state] * away
    return torch.from_numpy(found)


def slope_of(agent: Any) -> Tensor:
    """Return the gradient that an update went along; losses are means over 32 rows of 2 steps."""
    agent.update(trajectories())
    return -2 * agent.built().head.policy.weight.grad


PLAIN = {"baseline": False, "normalise_advantages": False, "clip_norm": None}


@pytest.mark.parametrize(
    ("credit", "gamma"), [("whole_return", 0.9), ("whole_return", 1.0), ("reward_to_go", 1.0)]
)
def test_the_gradient_is_that_of_the_expected_return(credit: str, gamma: float) -> None:
    agent = tabular(Reinforce(credit=credit, gamma=gamma, **PLAIN))
    torch.testing.assert_close(slope_of(agent), closed_form(gamma), rtol=1e-6, atol=1e-7)


def test_so_is_a2cs_without_a_critic_to_judge() -> None:
    agent = tabular(A2C(gamma=1.0, value_weight=0.0, clip_norm=None))
    torch.testing.assert_close(slope_of(agent), closed_form(1.0), rtol=1e-6, atol=1e-7)


def test_a_baseline_changes_no_expectation() -> None:
    agent = tabular(Reinforce(gamma=1.0, **{**PLAIN, "baseline": True}))
    with torch.no_grad():
        agent.network.head.value.weight.copy_(torch.tensor([[0.3, -2.0, 5.0]]))
    torch.testing.assert_close(slope_of(agent), closed_form(1.0), rtol=1e-6, atol=1e-6)


def test_credit_from_the_end_blames_the_last_moves_most() -> None:
    agent = tabular(Reinforce(credit="from_the_end", gamma=0.5, **PLAIN))
    found = slope_of(agent)
    # As if the first action had earned half of the discounted return, the last one all of it.
    whole = START[:, None] + 0.5 * REWARDS
    chances = np.array([[c, 1 - c] for c in FIRST])
    joint = chances[0][:, None] * chances[1:]
    right = np.zeros((2, 3))
    right[:, 0] = 0.5 * ((joint * whole).sum(1) - chances[0] * (joint * whole).sum())
    for state in range(2):
        of_state = joint[state] * whole[state]
        right[:, 1 + state] = of_state - chances[1 + state] * of_state.sum()
    torch.testing.assert_close(found, torch.from_numpy(right), rtol=1e-6, atol=1e-7)


def test_without_a_baseline_what_the_rollout_cuts_is_left_out() -> None:
    one = met(Reinforce(**PLAIN))
    rollout = rollout_of(one, 8, 4, share=0.3)
    other = met(Reinforce(**PLAIN))
    counts = one._counts(rollout)
    assert 0 < counts.sum() < rollout.valid.sum()
    one.update(rollout)
    other.update(rollout._replace(rewards=torch.where(counts, rollout.rewards, 99.0)))
    torch.testing.assert_close(values_of(other), values_of(one), rtol=0, atol=1e-12)


def plain_step(network: nn.Module, rollout: Rollout, agent: A2C) -> None:
    """Take a step as the paper says, by torch's own optimiser."""
    seen = rollout.observations.double()
    outputs, values = network(seen.flatten(0, 1))
    values = values.reshape(seen.shape[:2])
    returns = torch.zeros(rollout.rewards.shape, dtype=torch.float64)
    follows = values[-1].detach()
    for t in reversed(range(len(returns))):
        follows = torch.where(rollout.truncated[t], values[t + 1].detach(), follows)
        follows = torch.where(rollout.terminated[t], 0.0, follows)
        returns[t] = follows = rollout.rewards[t] + agent.gamma * follows
    logs = outputs.reshape(*seen.shape[:2], -1)[:-1].log_softmax(-1)
    chosen = logs.gather(-1, rollout.actions[..., None])[..., 0]
    away = returns - values[:-1]
    entropy = -(logs.exp() * logs).sum(-1)
    losses = -away.detach() * chosen + agent.value_weight * away**2 - agent.entropy * entropy
    optimizer = torch.optim.Adam(network.parameters(), lr=agent.lr, eps=agent.eps)
    losses[rollout.valid].mean().backward()
    nn.utils.clip_grad_norm_(network.parameters(), agent.clip_norm)
    optimizer.step()


def test_a2cs_step_is_that_of_plain_autograd() -> None:
    agent, right = (met(A2C(entropy=0.01, lr=0.01)) for _ in range(2))
    rollout = rollout_of(agent, 8, 4)
    plain_step(right.built(), rollout, right)
    agent.update(rollout)
    torch.testing.assert_close(values_of(agent), values_of(right), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [A2C, Reinforce])
def test_both_paths_come_to_the_same(kind: Any) -> None:
    one, other = met(kind(entropy=0.01)), met(kind(entropy=0.01))
    rollout = rollout_of(one, 8, 4)
    by_autograd(one).update(rollout)
    other.update(rollout)
    torch.testing.assert_close(values_of(other), values_of(one), rtol=0, atol=1e-10)


def test_unknown_credit_is_refused() -> None:
    with pytest.raises(TlmlError, match="credit: 'all' is not one of whole_return, reward_to_go"):
        Reinforce(credit="all")

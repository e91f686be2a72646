"""PPO: its update against plain autograd, its two paths, its stops and what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from agents import Lines
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_agents import by_autograd, met, rollout_of, values_of
from torch import Tensor, nn
from torch.distributions import Categorical

from tlml import TlmlError
from tlml.data import Rollout
from tlml.errors import DivergedError
from tlml_rl.ppo import PPO

SPACES = {
    "discrete": Discrete(3),
    "multi": MultiDiscrete([2, 3]),
    "binary": MultiBinary(2),
    "box": Box(-2, 2, (2,)),
}


def ppo(**options: Any) -> PPO:
    return PPO(**{"rollout_steps": 8, "batch_size": 32, "epochs": 3, "seed": 1, **options})


def plain_update(network: nn.Module, rollout: Rollout, agent: PPO) -> None:
    """Update as the paper says, row by row and by torch's own optimiser.

    Written without anything of the agent's but its options, and the order of its minibatches.
    """
    seen, gamma = rollout.observations.double(), agent.gamma
    with torch.no_grad():
        outputs, values = network(seen.flatten(0, 1))
        values = values.reshape(seen.shape[:2])
        old = Categorical(logits=outputs.reshape(*seen.shape[:2], -1)[:-1]).log_prob(
            rollout.actions
        )
    advantages = torch.zeros_like(old)
    for n in range(old.shape[1]):
        running = 0.0
        for t in reversed(range(len(old))):
            ends = bool(rollout.terminated[t, n] or rollout.truncated[t, n])
            follows = 0.0 if rollout.terminated[t, n] else float(values[t + 1, n])
            error = float(rollout.rewards[t, n]) + gamma * follows - float(values[t, n])
            running = error + (0.0 if ends else gamma * agent.gae_lambda * running)
            advantages[t, n] = running
    returns = advantages + values[:-1]
    optimizer = torch.optim.Adam(network.parameters(), lr=agent.lr, eps=agent.eps)
    columns = [seen[:-1], rollout.actions, old, advantages, returns, values[:-1], rollout.valid]
    rows = [column.flatten(0, 1) for column in columns]
    rng = agent.draws()
    for _ in range(agent.epochs):
        order = np.arange(len(rows[0]))
        if len(order) > agent.batch_size:
            order = rng.permutation(len(order))
        for first in range(0, len(order), agent.batch_size):
            part = order[first : first + agent.batch_size]
            kept = part[rows[-1][part].numpy()]
            optimizer.zero_grad()
            plain_loss(network, *(row[kept] for row in rows[:-1]), agent).backward()
            nn.utils.clip_grad_norm_(network.parameters(), agent.clip_norm)
            optimizer.step()


def plain_loss(
    network: nn.Module, x: Tensor, actions: Tensor, old: Tensor, advantages: Tensor,
    returns: Tensor, values: Tensor, agent: PPO,
) -> Tensor:  # fmt: skip
    outputs, found = network(x)
    now = Categorical(logits=outputs)
    ratio = (now.log_prob(actions) - old).exp()
    normal = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = torch.clamp(ratio, 1 - agent.clip, 1 + agent.clip)
    policy_loss = -torch.min(ratio * normal, clipped * normal).mean()
    errors = (found - returns) ** 2
    if agent.value_clip is not None:
        near = values + (found - values).clamp(-agent.value_clip, agent.value_clip)
        errors = torch.max(errors, (near - returns) ** 2)
    return policy_loss + agent.value_weight * errors.mean() - agent.entropy * now.entropy().mean()


@pytest.mark.parametrize("batch", [32, 8])
@pytest.mark.parametrize("value_clip", [None, 0.2])
def test_an_update_is_that_of_plain_autograd(batch: int, value_clip: float | None) -> None:
    agent = met(ppo(batch_size=batch, value_clip=value_clip, entropy=0.01, lr=0.01), Discrete(3))
    rollout = rollout_of(agent, 8, 4)
    assert (rollout.terminated.any(), rollout.truncated.any(), rollout.valid.all()) == (1, 1, 0)
    right = copy.deepcopy(agent.built())
    before = values_of(agent)
    plain_update(right, rollout, agent)
    told = agent.update(rollout)
    assert agent.path().name == "by hand"
    wanted = torch.cat([p.detach().reshape(-1) for p in right.parameters()])
    assert (wanted - before).abs().max() > 0.01
    torch.testing.assert_close(values_of(agent), wanted, rtol=0, atol=1e-9)
    assert 0 < told["clip_fraction"] < 1 and told["epochs"] == 3


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(SPACES)), st.sampled_from(["tanh", "relu"]), st.integers(1, 3),
    st.sampled_from([None, 0.1]), st.sampled_from([8, 32]), st.integers(0, 100),
)  # fmt: skip
def test_both_paths_come_to_the_same(space, activation, depth, value_clip, batch, seed) -> None:
    options = {"hidden": [5] * depth, "activation": activation}
    agents = [
        met(ppo(network_options=options, value_clip=value_clip, batch_size=batch, entropy=0.01),
            SPACES[space])
        for _ in range(2)
    ]  # fmt: skip
    rollout = rollout_of(agents[0], 8, 4, seed)
    told = [by_autograd(agents[0]).update(rollout), agents[1].update(rollout)]
    torch.testing.assert_close(values_of(agents[1]), values_of(agents[0]), rtol=1e-9, atol=1e-9)
    for name, value in told[0].items():
        assert told[1][name] == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_an_update_with_successors_is_that_of_the_rows_that_follow() -> None:
    one, other = met(ppo()), met(ppo())
    rollout = rollout_of(one, 8, 4)
    one.update(rollout)
    other.update(rollout._replace(successors=rollout.observations[1:].clone()))
    torch.testing.assert_close(values_of(other), values_of(one), rtol=1e-9, atol=1e-10)


def test_what_a_reset_row_holds_makes_no_difference() -> None:
    one, other = met(ppo(batch_size=8)), met(ppo(batch_size=8))
    rollout = rollout_of(one, 8, 4)
    one.update(rollout)
    actions = torch.where(rollout.valid, rollout.actions, 1 - rollout.actions)
    assert not torch.equal(actions, rollout.actions)
    other.update(rollout._replace(actions=actions))
    torch.testing.assert_close(values_of(other), values_of(one), rtol=0, atol=1e-12)


def test_rates_fall_to_zero_unless_told_otherwise() -> None:
    falling = met(ppo(max_env_steps=100))
    rollout = rollout_of(falling, 8, 4)
    assert falling.update(rollout)["lr"] == pytest.approx(1e-3)
    falling._began = 75
    told = falling.update(rollout)
    assert (told["lr"], told["clip"]) == (pytest.approx(2.5e-4), pytest.approx(0.05))
    staying = met(ppo(max_env_steps=100, lr_schedule="constant", clip_schedule="constant"))
    staying._began = 75
    told = staying.update(rollout)
    assert (told["lr"], told["clip"]) == (1e-3, 0.2)


def test_epochs_end_where_the_policy_went_far() -> None:
    agent = met(ppo(lr=0.05, epochs=10, target_kl=0.01))
    told = agent.update(rollout_of(agent, 8, 4))
    assert told["epochs"] < 10 and told["approx_kl"] > 0.015
    agent = met(ppo(lr=0.05, epochs=10, target_kl=1e6))
    assert agent.update(rollout_of(agent, 8, 4))["epochs"] == 10


def test_a_loss_that_is_not_finite_is_told() -> None:
    agent = met(ppo())
    rollout = rollout_of(agent, 8, 4)
    with torch.no_grad():
        agent.built().head.value.bias.fill_(torch.nan)
    with pytest.raises(DivergedError, match=r"PPO: the loss is .* take a lower lr"):
        agent.update(rollout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 100}, "batch_size: 100 does not divide the 256 steps of a rollout "
         r"\(rollout_steps=32 of 8 environments\); take 16, 32, 64 or 128"),
        ({"batch_size": 1}, "batch_size: a minibatch of one step has no variance"),
    ],
)  # fmt: skip
def test_minibatches_that_make_up_no_rollout_are_refused(options: Any, message: str) -> None:
    agent = PPO(**options)
    view = agent.view(Lines(), envs=8)
    with pytest.raises(TlmlError, match=message):
        agent.check(view)


def test_a_minibatch_of_one_serves_without_normalisation() -> None:
    agent = met(ppo(batch_size=1, normalise_advantages=False, epochs=1, rollout_steps=4))
    before = values_of(agent)
    agent.update(rollout_of(agent, 4, 2))
    found = values_of(agent)
    assert torch.isfinite(found).all() and not torch.equal(found, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 0.0}, "clip: must be greater than 0"),
        ({"gamma": 1.5}, "gamma: must be from 0 to 1, is 1.5"),
        ({"lr_schedule": "cosine"}, "lr_schedule: 'cosine' is not one of linear, constant"),
        ({"boxes": "beta"}, "boxes: 'beta' is not one of gaussian, squashed"),
        ({"epochs": 0}, "epochs: must be greater than 0"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(TlmlError, match=message):
        PPO(**options)

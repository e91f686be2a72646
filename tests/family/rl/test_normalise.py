"""Moments of what came, observations and rewards on one scale, and minibatches of it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from agents import Lines
from hypothesis import given
from hypothesis import strategies as st
from policy_agents import met, rollout_of, values_of

from tlml_rl.base.minibatches import epochs, weighed
from tlml_rl.base.normalise import Moments, ObservationScale, RewardScale
from tlml_rl.base.objective import Rows
from tlml_rl.ppo import PPO


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 1000))
def test_moments_in_parts_are_those_of_the_whole(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [3 + 2 * rng.normal(size=(size, 2)) for size in [*sizes, 2]]
    moments = Moments((2,))
    for part in parts:
        moments.update(part)
    whole = np.concatenate(parts)
    np.testing.assert_allclose(moments.mean, whole.mean(0), rtol=1e-10)
    np.testing.assert_allclose(moments.deviation(), np.sqrt(whole.var(0) + 1e-8), rtol=1e-9)


def test_observations_come_to_mean_0_and_variance_1_and_not_far_away() -> None:
    scale = ObservationScale((2,))
    rows = np.random.default_rng(0).normal([5, -3], [10, 0.1], size=(500, 2))
    np.testing.assert_array_equal(scale.apply(rows[:1]), np.clip(rows[:1], -10, 10).astype("f"))
    scale.update(rows)
    found = scale.apply(rows)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(0), 1, atol=1e-4)
    assert scale.apply(np.array([[1e6, 0.0]])).max() == 10


def test_rewards_are_divided_by_the_deviation_of_their_discounted_sums() -> None:
    agent = met(PPO())
    rollout, scale = rollout_of(agent, 8, 3), RewardScale(0.9)
    scale.update_by(rollout, 0, 3)
    sums, running = [], np.zeros(3)
    for t in range(8):
        running = 0.9 * running + rollout.rewards[t].numpy()
        sums += [running[n] for n in range(3) if rollout.valid[t, n]]
        running = np.where((rollout.terminated | rollout.truncated)[t], 0.0, running)
    right = rollout.rewards / np.sqrt(np.var(sums) + 1e-8)
    torch.testing.assert_close(scale.apply(rollout.rewards), right.float(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scale.running, running, rtol=1e-6)
    other = RewardScale(0.9)
    other.load_state_dict(copy.deepcopy(scale.state_dict()))
    assert torch.equal(other.running, scale.running)


def test_two_halves_of_the_environments_are_the_whole() -> None:
    agent = met(PPO())
    rollout, whole, halves = rollout_of(agent, 8, 4), RewardScale(0.9), RewardScale(0.9)
    whole.update_by(rollout, 0, 4)
    for first in (0, 2):
        part = type(rollout)(*(None if x is None else x[:, first : first + 2] for x in rollout))
        kept = halves.running.clone()
        halves.update_by(part, first, 4)
        halves.running[:first] = kept[:first]
    torch.testing.assert_close(halves.running, whole.running)
    torch.testing.assert_close(halves.square, whole.square)


def test_an_agent_learns_of_scales_in_training_and_not_in_a_test() -> None:
    agent = PPO(normalise_observations=True, normalise_rewards=True, batch_size=32, rollout_steps=8)
    view = agent.view(Lines(), envs=4)
    agent.enter(view)
    names = [name for name, _ in agent.named_buffers()]
    assert "observation_scale.mean" in names and "reward_scale.square" in names
    first = agent.collect(8)
    agent.update(first)
    kept = copy.deepcopy(agent.state_dict())
    assert int(agent.observation_scale.count) == int(first.valid.sum())
    seen = first.observations[:-1][first.valid].double()
    torch.testing.assert_close(agent.observation_scale.mean, seen.mean(0))
    agent.play(view.dataset("target", 3)[0])
    agent.act(np.full((2, 2), 7.0, np.float32))
    for name, value in agent.state_dict().items():
        assert torch.equal(value, kept[name])
    agent.leave()
    # A copy that is loaded sees what the agent sees.
    loaded = PPO(
        normalise_observations=True, normalise_rewards=True, spaces=agent.hparams["spaces"]
    )
    loaded.prepare(loaded.view_spaces)
    loaded.load_state_dict(kept)
    for one in (agent, loaded):
        one.built().double()
    x = np.array([[3.0, 0.5], [1.0, -0.5]], np.float32)
    np.testing.assert_array_equal(loaded._encoder()(x), agent._encoder()(x))
    assert abs(loaded._encoder()(x) - x).max() > 0.1


def rows(number: int) -> Rows:
    rng = torch.Generator().manual_seed(0)
    columns = torch.randn(7, number, generator=rng, dtype=torch.float64)
    return Rows(torch.arange(number).double()[:, None], *columns[1:])


@pytest.mark.parametrize("normalise", [False, True])
def test_minibatches_go_through_all_rows_and_weigh_those_that_count(normalise: bool) -> None:
    given, valid = rows(24), torch.arange(24) % 5 != 0
    rounds = epochs(given, valid, 4, np.random.default_rng(0), normalise)
    orders = []
    for _, parts in zip(range(2), rounds, strict=False):
        order = torch.cat([part.inputs[:, 0] for part in parts]).long()
        orders.append(order.tolist())
        assert sorted(orders[-1]) == list(range(24)) and len(parts) == 4
        for part in parts:
            own = part.inputs[:, 0].long()
            counts = valid[own]
            torch.testing.assert_close(part.weights, counts / counts.sum().double())
            raw = given.advantages[own]
            kept = raw[counts]
            right = (raw - kept.mean()) / (kept.std() + 1e-8) if normalise else raw
            torch.testing.assert_close(part.advantages, right)
            assert torch.equal(part.returns, given.returns[own])
    assert orders[0] != orders[1] != list(range(24))


def test_a_single_minibatch_is_the_whole_in_order_and_made_once() -> None:
    rounds = epochs(rows(6), torch.ones(6, dtype=torch.bool), 1, np.random.default_rng(0), True)
    (one,), (two,) = next(rounds), next(rounds)
    assert one is two and one.inputs[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_rows_that_all_are_resets_weigh_nothing() -> None:
    weights, advantages = weighed(torch.ones(4), torch.zeros(4, dtype=torch.bool), 2, True)
    assert not weights.any() and torch.isfinite(advantages).all()


def test_what_is_learned_of_scaled_rewards_is_another_thing() -> None:
    found = []
    for normalise in (False, True):
        agent = PPO(normalise_rewards=normalise, batch_size=32, rollout_steps=8)
        agent.enter(agent.view(Lines(), envs=4))
        agent.update(agent.collect(8))
        found.append(values_of(agent))
        agent.leave()
    assert not torch.equal(*found)

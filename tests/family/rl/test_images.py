"""Environments seen as images, and agents that learn from them."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from refusals import fails, stops
from torch import nn

import tlml
from tlml.networks import nature_cnn
from tlml_rl.base.actor_critic import actor_critic, over_features
from tlml_rl.base.objective import Objective
from tlml_rl.worlds.family import EnvFamily


class Pictures(gymnasium.Env):
    """Shows pictures of one colour each, brighter from step to step."""

    observation_space = Box(0, 255, (48, 40, 3), np.uint8)
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.shown(), {}

    def step(self, action):
        self.steps += 1
        return self.shown(), 1.0 + action, self.steps == 5, False, {}

    def shown(self):
        return np.full((48, 40, 3), (10 * self.steps, 100, 200), np.uint8)


PICTURES = EnvSpec("Pictures-v0", entry_point=Pictures)


def seen(steps, **options):
    """Return the last observation of an environment after some steps, which fits its space."""
    domain = EnvFamily(PICTURES, **options)
    env = domain.tasks("source")[0].make(0)
    found, _ = env.reset(seed=0)
    for _ in range(steps):
        found, *_ = env.step(0)
    assert domain.x.contains(found) and found.flags.c_contiguous
    return found


def test_images_are_as_they_come_unless_asked_for():
    assert seen(0).shape == (48, 40, 3)


def test_channels_come_first_and_frames_are_channels():
    found = seen(3, frames=2)
    assert found.shape == (6, 48, 40)
    assert found[:, 0, 0].tolist() == [20, 100, 200, 30, 100, 200]  # the latest frame is the last


def test_grey_images_of_a_size_are_stacked():
    found = seen(3, frames=4, size=36, grey=True)
    assert found.shape == (4, 36, 36)
    weights = np.array([0.2125, 0.7154, 0.0721])  # gymnasium's
    wanted = [weights @ (10 * step, 100, 200) for step in range(4)]
    assert np.allclose(found[:, 0, 0], wanted, atol=1)
    assert seen(0, grey=True).shape == (1, 48, 40)


def test_actions_are_repeated_until_an_episode_ends():
    domain = EnvFamily(PICTURES, repeat=3)
    env = domain.tasks("source")[0].make(0)
    env.reset(seed=0)
    assert env.step(1)[1:3] == (6.0, False)
    assert env.step(0)[1:3] == (2.0, True)
    assert env.unwrapped.steps == 5


def test_rows_are_stacked_too_and_actions_repeated():
    domain = EnvFamily("CartPole-v1", frames=3, repeat=2)
    assert domain.x.shape == (3, 4)
    env = domain.tasks("source")[0].make(0)
    env.reset(seed=0)
    assert env.step(0)[1] == 2.0


@pytest.mark.parametrize("options", [{"grey": True}, {"size": 84}])
def test_what_is_no_image_has_no_colours(options):
    with stops(
        "CartPole-v1: size and grey are of images [height, width, 3] of bytes; it shows Box((4,), "
        "float32)"
    ):
        EnvFamily("CartPole-v1", **options)


@pytest.mark.parametrize("name", ["frames", "repeat", "size"])
def test_numbers_are_positive(name):
    with fails(f"{name}: must be greater than 0, is 0"):
        EnvFamily(PICTURES, **{name: 0})


def test_opencv_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with stops("size needs cv2, which is not installed: pip install tlml[rl]"):
        EnvFamily(PICTURES, size=36)


def test_rooms_are_drawn_where_asked_for():
    domain = tlml.domain("minigrid", observation="rgb")
    assert (domain.x.shape, domain.x.dtype) == ((3, 56, 56), np.uint8)
    shown, _ = domain.tasks("source")[0].make(0).reset(seed=1)
    assert domain.x.contains(shown) and len(np.unique(shown)) > 2


@pytest.fixture
def agent():
    """An agent with a rollout of images."""
    made = tlml.learner("ppo", network="nature_cnn", rollout_steps=8, batch_size=8, epochs=2)
    view = made.view(EnvFamily(PICTURES, frames=2, size=36, grey=True), envs=2)
    made.meet(view.spaces)
    made.enter(view)
    yield made
    made.leave()


def test_images_stay_bytes_until_the_network_has_them(agent):
    rollout = agent.collect(8)
    assert rollout.observations.dtype == torch.uint8
    rows, *_ = agent.rows_of(rollout)
    assert rows.inputs.dtype == torch.uint8 and rows.inputs.shape == (16, 2, 36, 36)


def test_bytes_are_shares_to_the_network(agent):
    network, pictures = agent.built(), torch.randint(0, 256, (3, 2, 36, 36), dtype=torch.uint8)
    for of_bytes, of_floats in zip(network(pictures), network(pictures / 255), strict=True):
        assert torch.equal(of_bytes, of_floats)
    assert torch.equal(network.outputs(pictures), network.outputs(pictures / 255))
    doubled = nn.Module.double(over_features(nature_cnn((2, 36, 36), 2), 2, None, 0))
    assert doubled(pictures)[1].dtype == torch.float64


def test_an_update_from_bytes_is_that_from_floats(agent):
    """The gradient is autograd's of the loss as it is written, on shares."""
    rollout = agent.collect(8)
    rows, *_ = agent.rows_of(rollout)
    weights = torch.full((16,), 1 / 16)
    rows = rows._replace(advantages=torch.randn(16), returns=torch.randn(16), weights=weights)
    network = agent.built()
    floats = rows._replace(inputs=rows.inputs.float() / 255)
    loss, _ = Objective(0.2, 0.01).loss(network, agent.policy, floats)
    wanted = torch.autograd.grad(loss, list(network.parameters()))
    agent.path().slopes(Objective(0.2, 0.01), rows, tell=False)
    for parameter, slope in zip(network.parameters(), wanted, strict=True):
        assert torch.allclose(parameter.grad, slope, atol=1e-6)


def test_a_long_rollout_is_judged_in_parts(agent, monkeypatch):
    rollout = agent.collect(8)
    whole = agent.rows_of(rollout)[0]
    monkeypatch.setattr("tlml_rl.base.by_hand._AT_ONCE", 5)
    parts = agent.rows_of(rollout)[0]
    assert torch.allclose(parts.values, whole.values, atol=1e-6)
    assert torch.allclose(parts.log_probs, whole.log_probs, atol=1e-6)


@pytest.mark.parametrize("name", ["ppo", "a2c"])
def test_agents_learn_from_images_and_act_on_them(name):
    options = {"batch_size": 8, "epochs": 1} if name == "ppo" else {}
    agent = tlml.learner(name, network="nature_cnn", rollout_steps=8, **options)
    view = agent.view(EnvFamily(PICTURES, frames=2, size=36), envs=2)
    agent.meet(view.spaces)
    agent.enter(view)
    before = [p.detach().clone() for p in agent.built().parameters()]
    agent.update(agent.collect(8))
    agent.leave()
    moved = [not torch.equal(a, b) for a, b in zip(before, agent.built().parameters(), strict=True)]
    assert all(moved)
    assert agent.act(np.zeros((3, 6, 36, 36), np.uint8)).shape == (3,)


def test_perceptrons_and_normalised_images_read_floats():
    network = actor_critic(Box(0, 1, (2, 36, 36)), 2)
    assert not network.reads_bytes
    for options in ({}, {"network": "nature_cnn", "normalise_observations": True}):
        agent = tlml.learner("a2c", rollout_steps=4, **options)
        view = agent.view(EnvFamily(PICTURES, frames=2, size=36, grey=True), envs=2)
        agent.meet(view.spaces)
        agent.enter(view)
        rows, *_ = agent.rows_of(agent.collect(4))
        agent.leave()
        assert rows.inputs.dtype == torch.float32 and rows.inputs.abs().max() <= 10

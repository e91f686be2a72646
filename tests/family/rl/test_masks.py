"""Actions that an environment rules out are never chosen, in training nor in a test."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from policy_agents import by_autograd, values_of
from trainers import quiet_trainer

import tlml
import tlml.views
from tlml import Domain, TlmlError
from tlml_rl.ppo import PPO


class Doors(gymnasium.Env[Any, Any]):
    """Some doors are shut, others in each step; walking into one is an error."""

    observation_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, space: Any) -> None:
        self.action_space = space
        sizes = [space.n] if isinstance(space, Discrete) else space.nvec
        self.sizes = [int(size) for size in sizes]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen()

    def step(self, action):
        for choice, mask in zip(np.atleast_1d(action), self.masks, strict=True):
            assert mask[int(choice)], "through a shut door"
        self.steps += 1
        reward, over = float(np.sum(action)), self.steps == 5
        seen, info = self._seen()
        return seen, reward, over, False, info

    def _seen(self):
        self.masks = [self.np_random.random(size) < 0.5 for size in self.sizes]
        for mask in self.masks:
            mask[self.np_random.integers(len(mask))] = True
        told = {"action_mask": np.concatenate(self.masks)}
        return self.np_random.normal(size=2).astype(np.float32), told


@dataclass(frozen=True)
class Task:
    space: Any
    name: str = "doors"

    def make(self, seed: int) -> Doors:
        return Doors(self.space)


class Open(Doors):
    """No door is shut, and it says nothing of that."""

    def _seen(self):
        self.masks = [np.ones(size, bool) for size in self.sizes]
        return self.np_random.normal(size=2).astype(np.float32), {}


@dataclass(frozen=True)
class Silent(Task):
    def make(self, seed: int) -> Doors:
        return Open(self.space)


class House(Domain[Task]):
    x = Doors.observation_space

    def __init__(self, space: Any) -> None:
        self.y = space

    def tasks(self, split: Any) -> list[Task]:
        return [Task(self.y)]


def ppo(space: Any) -> tuple[PPO, Any]:
    agent = PPO(rollout_steps=12, batch_size=48, epochs=2, lr=0.05, entropy=0.01)
    view = agent.view(House(space), envs=4, test_episodes=5)
    return agent, view


@pytest.mark.parametrize("space", [Discrete(4), MultiDiscrete([3, 2])], ids=str)
def test_no_shut_door_is_tried(space: Any) -> None:
    agent, view = ppo(space)
    agent.enter(view)
    for _ in range(4):
        rollout = agent.collect(12)
        agent.update(rollout)
    assert len(agent.play(view.dataset("target", 5)[0])) == 5
    agent.leave()


def test_both_paths_learn_the_same_from_masked_rollouts() -> None:
    found = []
    for change in (lambda agent: agent, by_autograd):
        agent, view = ppo(Discrete(4))
        agent.enter(view)
        agent.built().double()
        change(agent)
        before = values_of(agent)
        agent.update(agent.collect(12))
        agent.leave()
        assert not torch.equal(values_of(agent), before)
        found.append(values_of(agent))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-9)


def test_a_rollout_says_what_was_allowed_where_one_environment_tells_nothing() -> None:
    class Some(House):
        def tasks(self, split: Any) -> list[Any]:
            return [Task(self.y), Silent(self.y)]

    agent = PPO(rollout_steps=12, batch_size=48)
    agent.enter(agent.view(Some(Discrete(4)), envs=4))
    rollout = agent.collect(12)
    assert rollout.allowed is not None and rollout.allowed.shape == (12, 4, 4)
    assert bool(rollout.allowed[:, 1::2].all()) and not bool(rollout.allowed[:, ::2].all())
    told = agent.rows_of(rollout)[0]
    assert torch.equal(told.masks, rollout.allowed.reshape(48, 4))
    # What is learned from is the rollout, whenever that was collected.
    agent.collect(12)
    assert torch.equal(agent.rows_of(rollout)[0].log_probs, told.log_probs)
    agent.leave()


def test_an_agent_can_be_told_what_is_allowed() -> None:
    agent, _ = ppo(Discrete(4))
    seen = np.zeros((4, 2), np.float32)
    for only in range(4):
        mask = np.arange(4) == only
        assert agent.act(seen, np.tile(mask, (4, 1))).tolist() == [only] * 4


def test_masks_of_actions_that_have_no_number_are_refused() -> None:
    agent = PPO()
    agent.view(House(Box(-1, 1, (2,))), envs=1)
    with pytest.raises(TlmlError, match="only numbered actions can be ruled out"):
        agent.act(np.zeros((1, 2), np.float32), np.ones((1, 2), bool))


class Numbered(Doors):
    """Doors of three rooms, of which each has its own shut for good."""

    observation_space = Discrete(3)
    shut = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 1, 1]], bool)

    def _seen(self):
        room = int(self.np_random.integers(3))
        self.masks = [~self.shut[room]]
        return room, {"action_mask": self.masks[0]}


@dataclass(frozen=True)
class RoomsTask(Task):
    def make(self, seed: int) -> Doors:
        return Numbered(self.space)


class Rooms(House):
    x = Numbered.observation_space

    def tasks(self, split: Any) -> list[Any]:
        return [RoomsTask(self.y)]


@pytest.mark.parametrize("name", ["q_learning", "sarsa", "monte_carlo", "dyna_q"])
def test_tables_try_no_shut_door_and_hope_for_none(name: str) -> None:
    # What is never tried would keep its first value, far above any return.
    agent: Any = tlml.learner(name, max_env_steps=600, gamma=0.5, initial=100.0, lr=0.5)
    view = agent.view(Rooms(Discrete(4)), envs=4)
    trainer = quiet_trainer(max_epochs=-1, num_sanity_val_steps=0, limit_val_batches=0)
    trainer.fit(agent, view)
    table = agent.q.numpy()
    assert (np.isneginf(table) == Numbered.shut).all()
    # A step earns the action's number, at most 3, so that no value goes beyond 3 / (1 - γ).
    assert table[~Numbered.shut].max() <= 6 + 1e-6
    assert len(agent.play(view.dataset("target", 5)[0])) == 5
    assert not Numbered.shut[np.arange(3), agent.act(np.arange(3))].any()


def test_a_door_that_opens_again_is_worth_what_all_were_at_first() -> None:
    agent: Any = tlml.learner("q_learning", initial=2.0)
    agent.meet(tlml.views.ViewSpaces(Discrete(2), Discrete(3)))
    agent.q[0] = torch.tensor([-torch.inf, 5.0, 1.0])
    masks = np.array([[True, True, False]])
    agent._entered = SimpleNamespace(allowed=lambda: masks, observations=np.array([0]))
    agent.look()
    assert agent.q[0].tolist() == [2.0, 5.0, -np.inf]

"""Agents without a Trainer: how they act, what they collect, and what they are judged by."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from agents import Gradients, Line, Lines, LineTask, Summing, explore
from refusals import fails

from tlml import EnvView, EpisodeView


def entered(agent: Any, **options: Any) -> EnvView:
    view = agent.view(Lines((5, 9)), **{"envs": 4, **options})
    agent.enter(view)
    return view


def test_a_rollout_goes_on_where_the_one_before_ended() -> None:
    agent = Gradients()
    entered(agent)
    one, two = agent.collect(6), agent.collect(3)
    assert one.observations.shape == (7, 4, 2) and one.actions.shape == (6, 4)
    assert torch.equal(one.observations[-1], two.observations[0])
    steps = int(one.valid.sum() + two.valid.sum())
    assert (int(agent.env_steps), int(agent.rollouts)) == (steps, 2)
    # A reset is no step: what was chosen there was passed over, and rewarded by nothing.
    over = one.terminated | one.truncated
    assert torch.equal(~one.valid[1:], over[:-1])
    assert one.rewards[~one.valid].abs().sum() == 0
    moved = one.observations[1:, :, 0] - one.observations[:-1, :, 0]
    assert torch.equal(moved[one.valid], (2 * one.actions - 1).float()[one.valid])
    agent.leave()


def test_what_agents_draw_is_of_the_environment_and_the_rollout_alone() -> None:
    two, four = Gradients(seed=1), Gradients(seed=1)
    entered(two, envs=2)
    entered(four, envs=4)

    def draw(rng: np.random.Generator, steps: int) -> Any:
        return rng.integers(1000, size=steps)

    assert np.array_equal(four.noise(5, draw)[:, :2], two.noise(5, draw))
    first = two.noise(5, draw)
    two.collect(2)
    assert not np.array_equal(two.noise(5, draw), first)


def test_single_steps_are_those_of_a_rollout_without_the_resets() -> None:
    class Same(Gradients):
        def explorer(self, steps: int) -> Any:
            return explore(self, steps)

    one, other = Same(seed=2), Summing(seed=2)
    entered(one), entered(other)
    rollout = one.collect(20)
    found = list(other.interact(20, gamma=0.9))
    assert torch.equal(torch.cat([t.actions for t in found]), rollout.actions[rollout.valid])
    assert torch.equal(torch.cat([t.rewards for t in found]), rollout.rewards[rollout.valid])
    seen = rollout.observations[:-1][rollout.valid]
    assert torch.equal(torch.cat([t.observations for t in found]), seen)
    after = rollout.next_observations[rollout.valid]
    assert torch.equal(torch.cat([t.next_observations for t in found]), after)
    assert torch.equal(torch.cat([t.terminated for t in found]), rollout.terminated[rollout.valid])
    assert {float(d) for t in found for d in t.discount} == {float(torch.tensor(0.9))}
    assert int(one.env_steps) == int(other.env_steps)


def test_agents_are_judged_in_environments_of_their_own_one_episode_each() -> None:
    agent = Summing()
    view = agent.view(Lines((5, 9)), envs=3)
    environments = view.dataset("target", 5)[1]
    assert agent.play(environments) == agent.play(environments)
    assert len(agent.play(environments)) == 5
    learning = {place.seed_of(0) for place in view.places()}
    assert learning.isdisjoint(place.seed_of(0) for place in environments.judging())


def test_observations_may_be_tensors_or_arrays() -> None:
    agent = Gradients()
    agent.view(Lines())
    seen = np.array([[1, 0.5], [4, -1]], np.float32)
    assert np.array_equal(agent.act(seen), agent.act(torch.from_numpy(seen)))
    assert agent.act(seen).shape == (2,)


def test_an_agent_that_stands_in_environments_can_be_pickled() -> None:
    agent = Gradients()
    entered(agent)
    again = pickle.loads(pickle.dumps(agent))
    agent.leave()
    with fails(
        "Gradients: it has environments of its own in a fit only; call enter(view) to act without "
        "a Trainer, and leave() in the end"
    ):
        again.collect(3)


class Broken(Line):
    def seen(self) -> Any:
        found = super().seen()
        found[1] = np.nan if self.steps == 2 else 0
        return found


def test_what_is_not_finite_is_told_with_its_environment() -> None:
    class Bad(Lines):
        def tasks(self, split: Any) -> Any:
            return [LineTask("fine", 50), LineTask("bad", 50, Broken)]

    agent = Gradients()
    agent.enter(agent.view(Bad(), envs=2))
    with fails(
        "environment 1 (bad): its observation is NaN or infinite after 0 steps in all environments"
    ):
        agent.collect(4)
    agent.leave()


def test_agents_are_given_environments_and_asked_for_actions() -> None:
    agent = Gradients()
    with fails("Gradients acts; ask act(observations), or test on an EnvView"):
        agent.predict(None, torch.zeros(1, 2))
    with pytest.raises(Exception, match="EnvView"):
        agent.check(EpisodeView.__new__(EpisodeView))

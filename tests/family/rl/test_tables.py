"""Learners of tables: each update by hand, and how they act."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import fails, stops

import tlml
from tlml import EnvView
from tlml.data import Rollout, Transitions
from tlml_rl.dyna_q import DynaQ
from tlml_rl.monte_carlo import MonteCarlo
from tlml_rl.q_learning import QLearning
from tlml_rl.sarsa import Sarsa
from tlml_rl.tables.steps import Step, in_time

KINDS = (QLearning, Sarsa, MonteCarlo, DynaQ)
WAY = "S...G\n"  # five cells in a row: 0 to 4


def made(kind, seed=0, envs=2, world=None, **options):
    learner = kind(seed=seed, **options)
    domain = tlml.domain("gridworld", **(world or {"map": WAY, "step_reward": 0.0}))
    return learner, learner.view(domain, envs=envs)


def entered(kind, **options):
    learner, view = made(kind, **options)
    learner.enter(view)
    return learner


def _columns(rows):
    return zip(*rows, strict=True)


def transitions(*rows):
    """Return what came of single steps: state, action, reward, next state, ended."""
    seen, actions, rewards, after, ended = (torch.tensor(column) for column in _columns(rows))
    return Transitions(seen, actions, rewards, after, ended, torch.full((len(rows),), 0.9))


def rollout(rows, cut=(), resets=()):
    """Return a rollout of one environment; `resets` are rows that only reset it."""
    seen, actions, rewards, after, ended = (
        torch.tensor(column)[:, None] for column in _columns(rows)
    )
    flags = torch.zeros(2, len(rows), 1, dtype=torch.bool)
    flags[0, list(cut)], flags[1, list(resets)] = True, True
    seen = torch.cat([seen, after[-1:]])
    return Rollout(seen, actions, rewards, ended, flags[0], ~flags[1], after)


def test_q_learning_goes_towards_the_best_next_action():
    learner, _ = made(QLearning, gamma=0.9, lr=0.5)
    learner.q[1] = torch.tensor([1.0, 4.0, 2.0, 3.0])
    learner.q[2, 0] = 7.0
    learner.update(transitions((0, 3, 2.0, 1, False), (2, 0, 1.0, 1, True), (0, 3, 0.0, 2, False)))
    first = 0.5 * (2 + 0.9 * 4)
    assert learner.q[0, 3] == pytest.approx(first + 0.5 * (0.9 * 4 - first))
    assert learner.q[2, 0] == 7 + 0.5 * (1 - 7)  # nothing follows what ended
    changed = learner.q.clone()
    changed[0, 3], changed[2, 0], changed[1] = 0.0, 0.0, 0.0
    assert not changed.any()


def test_q_learning_tells_how_far_values_were_from_their_targets():
    learner, _ = made(QLearning, gamma=0.5)
    told = learner.update(transitions((0, 1, 2.0, 1, False), (1, 1, -4.0, 2, True)))
    assert told["td_error"] == 3.0


def test_sarsa_goes_towards_the_action_that_was_taken_next():
    learner = entered(Sarsa, envs=1, gamma=0.9, lr=0.5)
    learner.q[1] = torch.tensor([1.0, 4.0, 2.0, 3.0])
    before = learner.q.clone()
    learner.update(rollout([(0, 3, 2.0, 1, False), (1, 2, 0.0, 2, False)]))
    # Only the first step's next action is known; the other one waits for the next rollout.
    assert learner.q[0, 3] == 0.5 * (2 + 0.9 * 2)
    assert torch.equal(learner.q[1], before[1])
    assert learner.held.tolist() == [[0, 1, 2, 0, 2, 0]]
    learner.q[2, 1] = 10.0
    learner.update(rollout([(2, 1, -1.0, 3, True)]))
    assert learner.q[1, 2] == 2 + 0.5 * (0.9 * 10 - 2)
    assert learner.q[2, 1] == 10 + 0.5 * (-1 - 10)
    assert len(learner.held) == 0
    learner.leave()


def test_sarsa_takes_the_best_action_for_the_next_where_an_episode_was_cut():
    learner = entered(Sarsa, envs=1, gamma=0.5, lr=1.0)
    learner.q[4] = torch.tensor([1.0, 4.0, 2.0, 3.0])
    told = [(0, 3, 2.0, 4, False), (4, 0, 0.0, 0, False), (0, 1, 1.0, 1, False)]
    learner.update(rollout(told, cut=[0], resets=[1]))
    assert learner.q[0, 3] == 2 + 0.5 * 4
    assert learner.held[:, 1:3].tolist() == [[0, 1]]
    learner.leave()


@pytest.mark.parametrize("ended", [True, False])
def test_monte_carlo_goes_towards_the_return_of_every_visit(ended):
    learner = entered(MonteCarlo, envs=1, gamma=0.5, lr=0.1)
    learner.q[4, 2] = 8.0
    learner.update(rollout([(0, 1, 1.0, 1, False), (1, 1, 2.0, 0, False)]))
    assert learner.q[0, 1] == 0 and learner.held[:, 1].tolist() == [0, 1]
    learner.update(rollout([(0, 1, 4.0, 4, ended)], cut=[] if ended else [0]))
    last = 4 + 0.5 * (0 if ended else 8)
    returns = [last, 2 + 0.5 * last, 1 + 0.5 * (2 + 0.5 * last)]
    assert learner.q[1, 1] == pytest.approx(0.1 * returns[1])
    visited = 0.1 * returns[0]
    assert learner.q[0, 1] == pytest.approx(visited + 0.1 * (returns[2] - visited))
    assert len(learner.held) == 0
    learner.leave()


def test_dyna_q_remembers_what_happened_last_and_learns_from_it_again():
    learner, _ = made(DynaQ, gamma=0.9, lr=0.5, planning=2)
    learner.drawn = np.array([[0.0, 0.99], [0.0, 0.99]])
    plain, _ = made(QLearning, gamma=0.9, lr=0.5)
    one, two = (0, 3, 1.0, 1, False), (1, 2, 5.0, 2, True)
    learner.update(transitions(one, two))
    assert learner.imagine(np.array([0.0, 0.49, 0.5, 0.99])) == [
        Step(*one), Step(*one), Step(*two), Step(*two)]  # fmt: skip
    for step in (one, one, one, two, one, two):  # the model knows the first step alone, then both
        plain.learn(Step(*step))
    assert torch.equal(learner.q, plain.q)
    learner.remember(Step(0, 3, -2.0, 4, True))
    assert learner.imagine(np.array([0.0])) == [Step(0, 3, -2.0, 4, True)]


def test_dyna_q_without_planning_is_q_learning():
    told = transitions((0, 3, 1.0, 1, False), (1, 2, 5.0, 2, True))
    learner, plain = made(DynaQ, planning=0)[0], made(QLearning)[0]
    learner.drawn = np.zeros((2, 0))
    learner.update(told), plain.update(told)
    assert torch.equal(learner.q, plain.q)


def test_steps_come_in_the_order_of_time_without_resets():
    told = [(0, 3, 2.0, 1, True), (9, 9, 0.0, 0, False), (0, 1, 1.0, 1, False)]
    assert list(in_time(rollout(told, cut=[0, 2], resets=[1]))) == [
        (0, Step(0, 3, 2.0, 1, True), False), (0, Step(0, 1, 1.0, 1, False), True)]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_actions_are_taken_and_now_and_then_any(kind):
    learner = entered(kind, envs=40, epsilon=0.3, epsilon_end=0.3)
    learner.q[:] = torch.tensor([0.0, 2.0, 2.0, 1.0])
    act = learner.explorer(100)
    chosen = np.stack([act(np.zeros(40, int)) for _ in range(100)])
    shares = np.bincount(chosen.ravel(), minlength=4) / chosen.size
    assert shares == pytest.approx([0.075, 0.425, 0.425, 0.075], abs=0.02)
    assert (learner.decide(np.arange(5)) == 1).all()
    assert learner.act(torch.tensor([0, 3])).tolist() == [1, 1]
    learner.leave()


def test_what_is_drawn_is_of_the_seed_and_the_rollout():
    def chosen(seed, rollouts=0):
        learner = entered(QLearning, seed=seed, epsilon_end=1.0)
        learner.rollouts += rollouts
        act = learner.explorer(20)
        found = [act(np.zeros(2, int)).tolist() for _ in range(20)]
        learner.leave()
        return found

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert chosen(1) != chosen(1, rollouts=1)


def test_chance_falls_along_a_line_and_stays():
    learner, _ = made(QLearning, max_env_steps=1000, epsilon=0.9, epsilon_end=0.1)
    found = learner.chance(np.array([0, 250, 500, 1000]))
    assert found == pytest.approx([0.9, 0.5, 0.1, 0.1])
    at_once, _ = made(QLearning, epsilon_share=0.0)
    assert at_once.chance(np.array([0, 10])) == pytest.approx([0.05, 0.05])


def test_values_begin_where_they_are_told_and_are_kept_in_full():
    learner, _ = made(QLearning, initial=3.0)
    assert learner.q.dtype == torch.float64 and (learner.q == 3).all()
    assert learner.q.shape == (5, 4) and learner.values().tolist() == [3.0] * 5
    assert learner.half().q.dtype == torch.float64


def test_what_was_learned_of_a_maze_is_told_cell_by_cell():
    learner, view = made(QLearning, world={"map": "S.O\n#.G\n"})
    learner.q[0, 1], learner.q[1, 2], learner.q[4, 1] = 1.0, 2.0, 3.0
    (task,) = view.domain.tasks("source")
    assert learner.walked(task) == {
        "cells": ["S.O", "#.G"],
        "actions": [["→", "↓", ""], ["", "→", ""]],
        "values": [[1.0, 2.0, None], [None, 3.0, None]],
    }
    assert learner.walked(tlml.domain("env_family", id="Taxi-v4").tasks("source")[0]) is None


@pytest.mark.parametrize("kind", [Sarsa, MonteCarlo])
def test_steps_that_wait_are_of_the_environments_that_go_on(kind):
    world = {"map": "lecture"}
    learner, view = made(kind, world=world, rollout_steps=3)
    learner.enter(view)
    learner.update(learner.collect(3))
    assert set(learner.held[:, 0].tolist()) == {0.0, 1.0}
    left, state = learner.environments.state(), learner.state_dict()
    learner.leave()

    resumed, view = made(kind, world=world)
    resumed.load_state_dict(state)
    resumed._left = left
    resumed.enter(view)
    assert torch.equal(resumed.held, learner.held)
    resumed.leave()

    elsewhere, view = made(kind, world=world)
    elsewhere.load_state_dict(state)
    elsewhere.enter(view)
    assert len(elsewhere.held) == 0
    elsewhere.leave()


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_numbered_is_refused(kind):
    view = EnvView(tlml.domain("cartpole"))
    with stops(
        f"{kind.__name__}: its table needs observations numbered from 0, and they are "
        "Box((4,), float32); take a domain that gives 'tabular'"
    ):
        kind().meet(view.spaces)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (QLearning, {"lr": 0.0}, "lr: must be greater than 0, is 0.0"),
        (QLearning, {"gamma": 1.5}, "gamma: must be from 0 to 1, is 1.5"),
        (Sarsa, {"gamma": -0.5}, "gamma: must be from 0 to 1, is -0.5"),
        (MonteCarlo, {"gamma": 1.5}, "gamma: must be from 0 to 1, is 1.5"),
        (Sarsa, {"epsilon": 1.5}, "epsilon: must be from 0 to 1, is 1.5"),
        (QLearning, {"epsilon_end": -1.0}, "epsilon_end: must be from 0 to 1, is -1.0"),
        (QLearning, {"epsilon_share": 2.0}, "epsilon_share: must be from 0 to 1, is 2.0"),
        (DynaQ, {"planning": -1}, "planning: must be at least 0, is -1"),
        (QLearning, {"block_steps": 0}, "block_steps: must be greater than 0, is 0"),
        (MonteCarlo, {"max_env_steps": 0}, "max_env_steps: must be greater than 0, is 0"),
    ],
)
def test_options_out_of_range_are_refused(kind, options, message):
    with fails(message):
        kind(**options)

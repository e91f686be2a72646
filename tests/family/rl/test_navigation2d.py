"""Walks in the plane: what they earn, and the same in numbers, one by one and all at once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from refusals import fails

import tlml
from tlml.data import SPLITS, keyed_rng
from tlml_rl.worlds.navigation2d import Goal, Points, Rules


def test_it_is_an_environment_as_gymnasium_wants_them() -> None:
    env = Goal("east", (0.3, 0.0)).make(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(infinity|normalized|render)")
        check_env(env.unwrapped)


@pytest.mark.parametrize(("reward", "power"), [("distance", 1), ("squared", 2)])
def test_a_step_is_kept_within_bounds_and_earns_minus_the_distance(reward, power) -> None:
    env = tlml.domain("navigation2d", reward=reward).draw("source", keyed_rng(0, "source", 0))
    walk, goal = env.make(0), np.array(env.place)
    assert walk.reset(seed=3)[0].tolist() == [0, 0]
    seen, earned, ended, cut, _ = walk.step(np.array([7.0, -0.05]))
    assert seen.tolist() == pytest.approx([0.1, -0.05])
    assert earned == pytest.approx(-(np.linalg.norm([0.1, -0.05] - goal) ** power))
    assert not ended and not cut


def test_an_episode_ends_near_the_goal_or_after_its_steps() -> None:
    env = Goal("east", (0.25, 0.0), Rules(max_episode_steps=4)).make(0)
    env.reset()
    flags = [env.step(np.array([0.1, 0.0]))[2:4] for _ in range(2)]
    assert flags == [(False, False)] * 2
    assert env.step(np.array([0.0495, 0.0]))[2:4] == (True, False)  # 0.0005 away
    env.reset()
    assert [env.step(np.zeros(2))[2:4] for _ in range(4)][2:] == [(False, False), (False, True)]


def test_all_at_once_equals_one_by_one_with_their_resets() -> None:
    rules = Rules(max_episode_steps=6)
    tasks = [
        Goal("a", (0.1, 0.1), rules),
        Goal("b", (-0.3, 0.2), rules),
        Goal("c", (0, 0.1), rules),
    ]
    many, single = Goal.make_vec_of(tasks, 0), [task.make(0) for task in tasks]
    assert many.reset()[0].tolist() == [env.reset()[0].tolist() for env in single]
    rng, over, ends = np.random.default_rng(0), [False] * 3, 0
    for _ in range(40):
        actions = (many.goals - many.places + rng.normal(0, 0.05, (3, 2))).astype(np.float32)
        seen, earned, ended, cut, _ = many.step(actions)
        for n, env in enumerate(single):
            told = (env.reset()[0], 0.0, False, False) if over[n] else env.step(actions[n])[:4]
            over[n] = bool(told[2] or told[3])
            assert np.array_equal(seen[n], told[0])
            assert (earned[n], ended[n], cut[n]) == told[1:]
        ends += sum(ended)
    assert ends > 0
    alike = tasks[0].make_vec(2, 0)
    assert isinstance(alike, Points) and alike.goals.tolist() == [[0.1, 0.1]] * 2


def test_goals_are_drawn_from_a_square_anew_for_each_task() -> None:
    domain = tlml.domain("navigation2d", half_width=0.2)
    goals = np.array(
        [domain.draw(split, keyed_rng(1, split, i)).place for split in SPLITS for i in range(200)]
    )
    assert len(np.unique(goals, axis=0)) == 600
    assert abs(goals).max() <= 0.2 and abs(goals).max(0).min() > 0.19
    assert abs(goals.mean(0)).max() < 0.03


def test_bad_options_are_refused() -> None:
    with fails("reward: 'far' is not one of distance, squared"):
        tlml.domain("navigation2d", reward="far")
    with fails("half_width: must be greater than 0, is 0"):
        tlml.domain("navigation2d", half_width=0)
    with fails("max_episode_steps: must be greater than 0, is -1"):
        tlml.domain("navigation2d", max_episode_steps=-1)

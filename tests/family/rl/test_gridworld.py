"""Mazes: what can be walked on, what is known of them, and how they look."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from refusals import fails, stops

import tlml
from tlml_rl.worlds.gridworld import GridWorld
from tlml_rl.worlds.mazes import MAZES, read_maze

SMALL = "S.G\n.#O\n...\n"
NORTH, EAST, SOUTH, WEST = range(4)


def walked(env, actions, seed=0):
    env.reset(seed=seed)
    return [env.step(action)[:3] for action in actions]


@pytest.mark.parametrize("options", [{}, {"map": "rooms", "slip": 0.3}, {"map": SMALL}], ids=str)
@pytest.mark.parametrize("mode", [None, "ansi", "rgb_array"])
def test_gymnasiums_checker_has_nothing_to_say(options, mode):
    task = tlml.domain("gridworld", **options).tasks("source")[0]
    check_env(task.make(0, mode).unwrapped)


def test_walls_hold_and_goals_and_pits_end_it():
    env = GridWorld(SMALL, goal_reward=5.0, pit_reward=-7.0)
    assert walked(env, [NORTH, WEST, SOUTH, EAST]) == [
        (0, -1, False), (0, -1, False), (3, -1, False), (3, -1, False)]  # fmt: skip
    assert walked(env, [EAST, EAST])[-1] == (2, 4.0, True)
    assert walked(env, [SOUTH, SOUTH, EAST, EAST, NORTH])[-1] == (5, -8.0, True)


def test_what_is_known_is_what_happens():
    env = GridWorld(SMALL, slip=0.4)
    assert sorted(env.P[3][EAST]) == [(0.2, 0, -1.0, False), (0.2, 6, -1.0, False),
                                      (0.6, 3, -1.0, False)]  # fmt: skip
    env.reset(seed=1)
    drawn = []
    for _ in range(4000):
        env.place = 3
        drawn.append(env.step(EAST)[0])
    shares = [drawn.count(cell) / len(drawn) for cell in (3, 0, 6)]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.025)


def test_probabilities_are_whole_in_every_cell():
    for name in MAZES:
        told = GridWorld(name, slip=0.3).P
        for choices in told.values():
            for outcomes in choices.values():
                assert sum(chance for chance, *_ in outcomes) == pytest.approx(1)


def test_an_episode_is_a_function_of_its_seed():
    one, other = (GridWorld("rooms", slip=0.5) for _ in range(2))
    actions = [EAST, SOUTH] * 20
    assert walked(one, actions, seed=4) == walked(other, actions, seed=4)
    assert walked(one, actions, seed=4) != walked(one, actions, seed=5)


def test_several_starts_are_drawn_from():
    env = GridWorld("S.S\n.G.\n")
    assert {env.reset(seed=seed)[0] for seed in range(20)} == {0, 2}


def test_it_is_shown_as_text():
    env = GridWorld(SMALL, render_mode="ansi")
    walked(env, [EAST])
    assert env.render() == "S@G\n.#O\n...\n"


def test_it_is_shown_as_an_image():
    env = GridWorld(SMALL, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(EAST)
    after = env.render()
    assert before.shape == (72, 72, 3) and before.dtype == np.uint8
    changed = np.argwhere((before != after).any(-1))
    assert (changed[:, 0].max() < 24) and (changed[:, 1].min() < 24 <= changed[:, 1].max() < 48)
    cells = after[12::24, 12::24].reshape(-1, 3)
    assert len(np.unique(cells, axis=0)) == 6  # start, agent, goal, free, wall, pit


def test_tasks_change_floors_and_maps():
    domain = tlml.domain("gridworld", slip=0.1, target=[{"slip": 0.5}, {"map": "lower"}])
    source, slippery, lower = (
        task.make(0).unwrapped for task in (*domain.tasks("source"), *domain.tasks("target"))
    )
    assert (source.slip, slippery.slip, lower.slip) == (0.1, 0.5, 0.1)
    assert source.maze == slippery.maze != lower.maze == read_maze("lower")
    assert domain.tasks("source")[0].name == "GridWorld slip=0.1"


def test_maps_are_named_briefly_and_pickle():
    domain = tlml.domain("gridworld", map=SMALL, target=[{"map": SMALL.replace("O", ".")}])
    names = [domain.tasks(split)[0].name for split in ("source", "target")]
    assert len(set(names)) == 2 and all(len(name) == len("GridWorld map=") + 8 for name in names)
    copied = pickle.loads(pickle.dumps(domain))
    assert copied.tasks("source")[0].make(0).unwrapped.maze == read_maze(SMALL)


def test_episodes_are_cut():
    env = tlml.domain("gridworld", max_episode_steps=3).tasks("source")[0].make(0)
    env.reset()
    assert [env.step(WEST)[3] for _ in range(3)] == [False, False, True]


CELLS = "# wall, . free, S start, G goal, O pit"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lectur", "map: no maze is called 'lectur'; did you mean lecture?"),
        ("S.\n..G\n", "map: line 2 has 3 cells and line 1 has 2; make all lines equally long "
         f"({CELLS})"),
        ("S.x\n..G\n", f"map: line 1 holds 'x'; cells are {CELLS}"),
        ("...\n..G\n", f"map: it has no start, which is written S; cells are {CELLS}"),
        ("S..\n...\n", f"map: it has no goal, which is written G; cells are {CELLS}"),
    ],
)  # fmt: skip
def test_maps_that_cannot_be_read_are_refused(text, message):
    with fails(message):
        read_maze(text)
    with fails(message):
        tlml.domain("gridworld", map=text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slip": 1.0}, "slip: must be from 0 to below 1, is 1.0"),
        ({"target": [{"slip": -0.1}]}, "slip: must be from 0 to below 1, is -0.1"),
        ({"target": [{"slp": 0.1}]}, "GridWorld: it has neither a keyword nor an attribute 'slp'; "
         "did you mean slip?"),
        ({"target": [{"map": "rooms"}]}, "GridWorld map=rooms: its observations are Discrete(169), "
         "and those of the first source task Discrete(88); all tasks of a domain share one space"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with stops(message):
        tlml.domain("gridworld", **options)

"""Video games in pixels: how they are seen, learned from and come back."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from refusals import fails, stops

import tlml
from tlml.data.env_places import EnvPlace, Running, SeededEpisodes, remembers
from tlml_rl.worlds.atari import Fire, QuickReset


@pytest.fixture(scope="module")
def pong():
    return tlml.domain("atari")


@pytest.fixture(scope="module")
def breakout():
    return tlml.domain("atari", game="Breakout", target=[{"difficulty": 1}, {"mode": 4}])


def walk(env, actions):
    """Return what is seen and earned."""
    found = []
    for action in actions:
        seen, reward, ended, *_ = env.step(action)
        found.append((seen.tobytes(), reward))
        if ended:
            break
    return found


def wrappers(env):
    """Return the names of an environment's wrappers."""
    names = []
    while env is not env.unwrapped:
        names.append(type(env).__name__)
        env = env.env
    return names


def test_four_grey_frames_are_seen_each_of_four_steps(pong):
    assert (pong.x.shape, pong.x.dtype, pong.y.n) == ((4, 84, 84), np.uint8, 6)
    env = pong.tasks("source")[0].make(0)
    seen, _ = env.reset(seed=1)
    before = env.unwrapped.ale.getEpisodeFrameNumber()
    after, *_ = env.step(0)
    assert env.unwrapped.ale.getEpisodeFrameNumber() - before == 4
    assert np.array_equal(after[:3], seen[1:]) and after.max() > 100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own render modes
        check_env(env, skip_render_check=True)


def test_games_modes_and_difficulties_are_tasks(breakout):
    names = ["ALE/Breakout-v5 difficulty=1", "ALE/Breakout-v5 mode=4"]
    assert [task.name for task in breakout.tasks("target")] == names
    domain = tlml.domain("atari", full_actions=True, target=[{"game": "Breakout"}])
    assert domain.y.n == 18
    assert domain.tasks("target")[0].name == "ALE/Breakout-v5 full_action_space=True"
    pickle.loads(pickle.dumps(domain))


def test_rewards_are_clipped_and_lives_end_episodes_only_where_it_is_learned(breakout):
    task = breakout.tasks("source")[0]
    learned, judged = task.make_for_training(0), task.make(0)
    assert "ClipReward" in wrappers(learned) and "ClipReward" not in wrappers(judged)
    lengths = []
    for env in (learned, judged):
        env.reset(seed=0)
        lengths.append(len(walk(env, [0] * 300)))  # nobody hits the ball
    assert lengths[0] < lengths[1]
    assert judged.unwrapped.ale.lives() == 0  # the button was pressed after each life
    place = EnvPlace(task, "source", 0, 0, 0)
    assert "ClipReward" in wrappers(SeededEpisodes(place))
    assert "ClipReward" not in wrappers(SeededEpisodes(dataclasses.replace(place, judges=True)))


@pytest.mark.parametrize("options", [{"clip_rewards": False, "lives_end": False, "fire": False}])
def test_what_is_done_in_training_is_a_matter_of_options(options):
    task = tlml.domain("atari", game="Breakout", **options).tasks("source")[0]
    env = task.make_for_training(0)
    assert wrappers(env) == wrappers(task.make(0))
    assert not {"ClipReward", "Fire"} & {*wrappers(env)}


@pytest.mark.parametrize("game", ["Pong", "Breakout", "Seaquest", "Freeway"])
def test_an_episode_is_a_function_of_its_seed_though_the_game_is_not_loaded_anew(game):
    task = tlml.domain("atari", game=game).tasks("source")[0]
    used, fresh = task.make(0), task.make(5)
    actions = np.random.default_rng(0).integers(task.make(0).action_space.n, size=60)
    used.reset(seed=1)
    walk(used, actions)
    found = []
    for env in (used, fresh):
        assert "QuickReset" in wrappers(env)
        first, _ = env.reset(seed=2)
        found.append([first.tobytes(), *walk(env, actions)])
    assert found[0] == found[1]
    other, _ = used.reset(seed=3)
    assert [other.tobytes(), *walk(used, actions)] != found[0]


@pytest.mark.parametrize("options", [{}, {"sticky": 0.25}])
def test_a_game_comes_back_to_where_it_was_left(options):
    task = tlml.domain("atari", size=40, **options).tasks("source")[0]
    assert ("QuickReset" in wrappers(task.make(0))) == (not options)
    place = EnvPlace(task, "source", 0, 0, seed=1)
    assert not remembers(place)
    actions = np.random.default_rng(0).integers(6, size=60)
    whole = SeededEpisodes(place)
    for _ in range(2):
        whole.reset()
        walk(whole, actions[:40])
    again = SeededEpisodes(place, Running(1, actions[:40]))
    again.reset()
    assert walk(again, actions[40:]) == walk(whole, actions[40:])


class Lives(gymnasium.Env):
    """Loses a life every other step; rewards by the action. A new game remembers the last one."""

    remembered = 0

    observation_space = gymnasium.spaces.Box(0, 9, (1,))
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.lives, self.taken, self.remembered = 2, [], self.remembered + 1
        return np.zeros(1), {"lives": 2}

    def step(self, action):
        self.taken.append(action)
        self.lives -= len(self.taken) % 2 == 0
        return np.zeros(1), float(action), self.lives == 0, False, {"lives": self.lives}

    def clone_state(self, include_rng):
        return self.remembered

    def restore_state(self, state):
        self.remembered = state


def test_the_button_is_pressed_where_a_life_begins():
    env = Fire(Lives())
    env.reset()
    assert env.unwrapped.taken == [1]
    _, reward, *_, info = env.step(2)
    assert (env.unwrapped.taken, reward, info["lives"]) == ([1, 2, 1], 3.0, 1)
    _, reward, ended, *_ = env.step(0)
    assert (env.unwrapped.taken, reward, ended) == ([1, 2, 1, 0], 0.0, True)


def test_seeds_reach_what_draws_the_first_steps_and_no_game_remembers():
    env = QuickReset(Lives())
    drawn = []
    for seed in (3, None, 3):
        env.reset(seed=seed)
        assert env.unwrapped.remembered == 1
        drawn.append(env.unwrapped.np_random.random())
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"game": "Pog"}, "game: ALE has no 'Pog'; did you mean Pong?"),
        ({"mode": 9}, "ALE/Pong-v5 mode=9: Invalid game mode requested; it has the modes 0, 1 and "
         "the difficulties 0, 1, 2, 3"),
        ({"difficulty": 9}, "ALE/Pong-v5 difficulty=9: Invalid difficulty requested; it has"),
        ({"target": [{"game": "Breakout"}]}, "ALE/Breakout-v5: its actions are Discrete(4), and "),
        ({"sticky": 1.0}, "sticky: must be at least 0 and below 1, is 1.0"),
        ({"frames": 0}, "frames: must be greater than 0, is 0"),
        ({"target": [{"gam": "Breakout"}]}, "ALE/Pong-v5: it has neither a keyword nor an "
         "attribute 'gam'; did you mean game?"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(options, message):
    with stops(message):
        tlml.domain("atari", **options)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("ale_py", "ALE/Pong-v5 needs ale_py, which is not installed: pip install tlml[rl]"),
        ("cv2", "atari needs cv2, which is not installed: pip install tlml[rl]"),
    ],
)
def test_a_missing_package_is_named(module, message, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with fails(message):
        tlml.domain("atari")

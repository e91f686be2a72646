"""Episodes as functions of their place and number, and the way back into one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agents import Forgetful, Line, LineTask
from gymnasium import Env
from gymnasium.spaces import Box, Dict, Discrete
from refusals import fails

from tlml.data.env_places import EnvPlace, Running, SeededEpisodes, remembers


def place(number: int = 0, task: Any = None, **given: Any) -> EnvPlace:
    return EnvPlace(task or LineTask("line", 50), "source", 0, number, seed=5, **given)


def walk(env: Env[Any, Any], steps: int) -> list[tuple[float, ...]]:
    found = []
    for step in range(steps):
        observation, reward, *ended, _ = env.step(step % 2)
        found.append((*observation.tolist(), reward, *ended))
    return found


def test_each_episode_of_each_place_has_a_seed_of_its_own() -> None:
    places = [place(0), place(1), place(0, judges=True)]
    places += [
        EnvPlace(LineTask("a"), "target", 0, 0, 5),
        EnvPlace(LineTask("a"), "source", 0, 0, 6),
    ]
    seeds = [one.seed_of(episode) for one in places for episode in range(50)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[:50] == [place(0).seed_of(episode) for episode in range(50)]


def test_resets_go_on_to_the_next_episode_whatever_was_done_before() -> None:
    one, other = SeededEpisodes(place()), SeededEpisodes(place())
    walk_of = []
    for env, steps in ((one, 6), (other, 2)):
        env.reset()
        walk(env, steps)
        first, _ = env.reset()
        assert env.episode == 1
        walk_of.append([first.tolist(), walk(env, 5)])
    assert walk_of[0] == walk_of[1]


@pytest.mark.parametrize("episode", [0, 4])
def test_an_episode_is_gone_on_with_where_it_was_left(episode: int) -> None:
    whole = SeededEpisodes(place())
    for _ in range(episode + 1):
        whole.reset()
    seen = walk(whole, 4)[-1]
    again = SeededEpisodes(place(), Running(episode, np.array([0, 1, 0, 1])))
    came_back, _ = again.reset()
    assert came_back.tolist() == list(seen[:2])
    assert walk(again, 3) == walk(whole, 3)
    assert again.reset()[0].tolist() == whole.reset()[0].tolist()


def test_after_an_episode_that_was_over_comes_the_next_as_in_a_vectorised_environment() -> None:
    whole = SeededEpisodes(place(task=LineTask("short", 2)))
    whole.reset()  # at 1
    assert whole.step(1)[2]
    again = SeededEpisodes(place(task=LineTask("short", 2)), Running(0, np.array([1])))
    again.reset()
    observation, reward, terminated, truncated, _ = again.step(0)
    assert observation.tolist() == whole.reset()[0].tolist()
    assert (reward, terminated, truncated, again.episode) == (0.0, False, False, 1)


class Failing(Line):
    def step(self, action: Any) -> Any:
        raise ZeroDivisionError("no way")


def test_an_environment_that_fails_is_named_with_its_episode_and_seed() -> None:
    env = SeededEpisodes(place(3, LineTask("cliff", kind=Failing)))
    env.reset()
    with fails(
        f"environment 3 (cliff): step 0 of episode 0 (seed {place(3).seed_of(0)}) failed: "
        "ZeroDivisionError: no way"
    ):
        env.step(0)


class Parts(Env[Any, Any]):
    observation_space = Dict({"a": Box(0, 1, (2,)), "b": Discrete(3)})
    action_space = Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return {"a": np.ones(2, np.float32), "b": 1}, {}


def test_observations_of_several_parts_are_flattened() -> None:
    env = SeededEpisodes(place(task=LineTask("parts", kind=lambda size: Parts())))
    assert env.reset()[0].tolist() == [1, 1, 0, 1, 0]


class Worn(Line):
    """A line that is another one after each episode."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.episodes += 1
        return super().reset(seed=seed)

    def seen(self) -> Any:
        return super().seen() + np.float32(self.episodes * (self.steps > 1))


@pytest.mark.parametrize(("kind", "expected"), [(Line, False), (Worn, True), (Forgetful, False)])
def test_it_is_found_out_what_remembers_an_earlier_episode(kind: Any, expected: bool) -> None:
    assert remembers(place(task=LineTask("line", 50, kind))) is expected


def test_what_remembers_is_made_anew_for_each_episode() -> None:
    worn = place(task=LineTask("line", 50, Worn))
    used, other = SeededEpisodes(worn, anew=True), SeededEpisodes(worn, anew=True)
    used.reset()
    walk(used, 5)
    used.reset()
    other.reset()
    other.reset()
    assert walk(used, 4) == walk(other, 4)


class Easier(LineTask):
    """A task with environments of its own to learn in."""

    def make_for_training(self, seed: int) -> Env[Any, Any]:
        return self.kind(3)


@pytest.mark.parametrize(("judges", "size"), [(False, 3), (True, 50)])
def test_environments_to_learn_in_may_differ_from_those_that_judge(judges: bool, size: int) -> None:
    env: Any = SeededEpisodes(place(task=Easier("line", 50), judges=judges))
    assert env.unwrapped.size == size

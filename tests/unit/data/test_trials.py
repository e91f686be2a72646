"""Whole episodes of several environments, and rollouts that are learned from twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agents import LIMIT, Line, LineTask
from refusals import fails, stops

from tlml.data import Trials, whole_episodes
from tlml.data.env_places import EnvPlace, SeededEpisodes


def places(kind: Any = Line, number: int = 4) -> list[EnvPlace]:
    return [EnvPlace(LineTask("line", 5, kind), "source", 0, n, seed=2) for n in range(number)]


def by_place(seen: Any) -> Any:
    """Go right from the left half, and left from the right one."""
    return (np.asarray(seen)[:, 0] < 2.5).astype(int)


def right(seen: Any) -> Any:
    return np.ones(len(seen), int)


@pytest.mark.parametrize("episode", [0, 3])
@pytest.mark.parametrize("choose", [by_place, right])
def test_each_environment_plays_the_episode_of_that_number_to_its_end(
    episode: int, choose: Any
) -> None:
    found = whole_episodes(places(), choose, lambda chosen: chosen, episode=episode)
    steps = found.valid.sum(0).tolist()
    assert max(steps) == len(found.rewards) <= LIMIT
    for n, place in enumerate(places()):
        env = SeededEpisodes(place)
        env.episode = episode - 1
        seen, t, over = env.reset()[0], 0, False
        while not over:
            assert found.observations[t, n].tolist() == seen.tolist()
            assert bool(found.valid[t, n]) and int(found.actions[t, n]) == choose(seen[None])[0]
            seen, reward, ended, cut, _ = env.step(choose(seen[None])[0])
            assert float(found.rewards[t, n]) == pytest.approx(reward)
            assert (bool(found.terminated[t, n]), bool(found.truncated[t, n])) == (ended, cut)
            over, t = ended or cut, t + 1
        assert steps[n] == t and not found.valid[t:, n].any()


def test_what_an_agent_chooses_is_kept_and_done_as_environments_take_it() -> None:
    found = whole_episodes(places(), lambda seen: right(seen) * 7.0, lambda chosen: chosen > 5)
    assert set(found.actions.flatten().tolist()) == {7.0}
    assert found.terminated.any(0).all()


def test_a_horizon_cuts_what_has_not_ended() -> None:
    found = whole_episodes(places(), by_place, lambda chosen: chosen, horizon=2)
    assert len(found.rewards) == 2
    assert found.truncated[-1].tolist() == (found.valid[-1] & ~found.terminated[-1]).tolist()
    assert found.truncated[-1].any()


class Broken(Line):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return (self.seen(), float("nan"), False, False, {})


class Ruling(Line):
    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        return super().reset(**options)[0], {"action_mask": np.array([True, False])}


def test_what_can_t_be_learned_from_is_refused() -> None:
    with fails("environment 0 (line): its reward is NaN or infinite after 1 steps of the episode"):
        whole_episodes(places(Broken), right, lambda chosen: chosen)
    with stops("environment 0 (line): it rules actions out by action_mask, which agents that"):
        whole_episodes(places(Ruling), right, lambda chosen: chosen)


class Many(LineTask):
    @staticmethod
    def make_vec(number: int, seed: int) -> Any:
        raise AssertionError("there are several tasks")

    @staticmethod
    def make_vec_of(tasks: Any, seed: int) -> Any:
        raise NotImplementedError([task.name for task in tasks])


def test_arithmetic_over_several_tasks_is_asked_for_where_they_bring_it() -> None:
    tasks = [EnvPlace(Many(name), "source", n // 2, n, 2) for n, name in enumerate("aabb")]
    with pytest.raises(NotImplementedError, match=r"\['a', 'a', 'b', 'b'\]"):
        whole_episodes(tasks, right, right, vectorization="native")


def test_rollouts_are_played_once_and_learned_from_again() -> None:
    trials, played = Trials(["task"]), []

    def act(turn: int) -> str:
        played.append(turn)
        return f"rollout {turn}"

    assert [trials.next(act) for _ in range(2)] == ["rollout 0", "rollout 1"]
    trials.rewind()
    assert [trials.next(act) for _ in range(3)] == ["rollout 0", "rollout 1", "rollout 2"]
    assert played == [0, 1, 2] and trials.tasks == ("task",)

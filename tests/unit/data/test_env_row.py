"""Environments in a row step as gymnasium's own do."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from agents import Line
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from tlml import TlmlError
from tlml.data.env_row import EnvRow

SPACES = [Discrete(4), Box(-1, 1, (2, 3), np.float32), MultiBinary(3), MultiDiscrete([2, 5])]


class Drawn(Line):
    """A line that shows draws of a space, takes actions of another, and sometimes tells masks."""

    def __init__(self, seen: Any, does: Any, key: int) -> None:
        super().__init__(4)
        self.observation_space, self.action_space, self.key = seen, does, key
        self.given: list[Any] = []

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=self.key)
        self.key += 1
        self.observation_space.seed(self.key)
        return self.seen(), self.told()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.given.append(np.array(action))
        _, reward, terminated, truncated, _ = super().step(int(np.sum(action)) % 2)
        return self.observation_space.sample(), reward, terminated, truncated, self.told()

    def seen(self) -> Any:
        return self.observation_space.sample()

    def told(self) -> dict[str, Any]:
        number = int(self.np_random.integers(4))
        return {} if number == 3 else {"action_mask": np.arange(3) <= number, "more": number}


def _makers(seen: Any, does: Any, number: int) -> list[Any]:
    def maker(n: int) -> Any:
        return lambda: Drawn(copy.deepcopy(seen), does, n)

    return [maker(100 * n) for n in range(number)]


@given(st.sampled_from(SPACES), st.sampled_from(SPACES), st.integers(1, 4), st.integers(1, 25))
def test_steps_are_those_of_gymnasium(seen: Any, does: Any, number: int, steps: int) -> None:
    theirs = SyncVectorEnv(_makers(seen, does, number), autoreset_mode=AutoresetMode.NEXT_STEP)
    ours = EnvRow(_makers(seen, does, number))
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"]
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space
    ours.action_space.seed(0)
    _same(ours.reset(), theirs.reset())
    for _ in range(steps):
        actions = ours.action_space.sample()
        _same(ours.step(actions), theirs.step(actions))
    given_to = [[env.unwrapped.given for env in row.envs] for row in (ours, theirs)]
    np.testing.assert_equal(*given_to)


def _same(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    masks = {name: value for name, value in theirs[-1].items() if "action_mask" in name}
    assert ours[-1].keys() == masks.keys()
    for name in masks:
        np.testing.assert_array_equal(ours[-1][name], masks[name])


def test_what_a_step_gives_but_for_observations_is_the_callers() -> None:
    row = EnvRow([lambda: Line(3)] * 2)
    row.reset()
    first = row.step(np.array([1, 1]))
    kept = [np.array(one) for one in first[1:4]]
    row.step(np.array([0, 0]))
    assert all(np.array_equal(*pair) for pair in zip(first[1:4], kept, strict=True))


def test_spaces_that_differ_are_refused_and_all_are_closed_in_the_end() -> None:
    closed: list[int] = []

    class Closing(Line):
        def close(self) -> None:
            closed.append(self.size)

    row = EnvRow([lambda: Closing(3), lambda: Closing(4)])
    row.close()
    assert closed == [3, 4]
    with pytest.raises(TlmlError, match=r"^observation spaces are Box.* and Discrete"):
        EnvRow([lambda: Line(3), lambda: Drawn(Discrete(2), Discrete(2), 0)])

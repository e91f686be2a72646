"""Environments that live on: what steps are, which episodes ended, and how they come back."""

from __future__ import annotations

import os
import signal
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from agents import LIMIT, Forgetful, Line, LineTask
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails

from tlml import TlmlError
from tlml.data.env_places import EnvPlace
from tlml.data.env_stream import EnvStream


def places(number: int = 3, kind: Any = Line, size: int = 5, **more: Any) -> list[EnvPlace]:
    return [EnvPlace(LineTask("line", size, kind), "source", 0, n, seed=2) for n in range(number)]


def run(stream: EnvStream, steps: int, start: int = 0) -> tuple[list[Any], list[Any]]:
    """Step by actions that are functions of the step; return all that came of it."""
    actions = np.array([np.random.default_rng(start + t).integers(2, size=len(stream))
                        for t in range(steps)])  # fmt: skip
    rows, rewards, over = [], [], []
    for t in range(steps):
        seen, reward, terminated, truncated, _ = stream.step(actions[t])
        rows.append((seen.copy().tolist(), reward.tolist(), terminated.tolist()))
        rewards.append(reward)
        over.append(terminated | truncated)
    valid = stream.valid(np.array(over))
    finished = stream.follow(actions, np.array(rewards), np.array(over), valid)
    return [*zip(rows, valid.tolist(), strict=True)], finished


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 12))
def test_a_stream_that_was_left_goes_on_as_if_it_had_not_been(before: int, after: int) -> None:
    whole, left = EnvStream(places()), EnvStream(places())
    run(whole, before)
    run(left, before)
    state = {name: value.clone() for name, value in left.state().items()}
    left.close()
    again = EnvStream(places(), left=state)
    assert again.restarted == []
    for start in (before, before + after):
        expected, found = run(whole, after, start), run(again, after, start)
        assert found == expected
    assert all(torch.equal(value, again.state()[name]) for name, value in whole.state().items())


def test_episodes_are_told_with_their_rewards_and_steps() -> None:
    stream, alone = EnvStream(places(1)), EnvStream(places(1))
    rows, finished = run(stream, 60)
    total, length, expected = 0.0, 0, []
    for (_, (reward,), _), (acted,) in rows:
        if not acted:
            expected.append((total, length))
            total, length = 0.0, -1
        total, length = total + reward, length + 1
    assert [tuple(one) for one in finished][: len(expected)] == [
        (pytest.approx(total), length) for total, length in expected
    ]
    assert len(expected) > 5 and max(length for _, length in expected) <= LIMIT
    assert alone.state()["counts"].tolist() == [0]


def test_a_step_that_only_resets_is_not_one_that_acted() -> None:
    stream = EnvStream(places())
    _, finished = run(stream, 9)
    over = np.zeros((2, 3), bool)
    over[0, 1] = True
    pending = stream.state()["pending"].numpy()
    assert stream.valid(over).tolist() == [(~pending).tolist(), [True, False, True]]
    assert finished


def test_what_does_not_come_back_begins_its_next_episode() -> None:
    left = EnvStream(places(kind=Forgetful))
    run(left, 3)
    state = left.state()
    again = EnvStream(places(kind=Forgetful), left=state)
    assert again.restarted == [0, 1, 2]
    assert again.state()["episodes"].tolist() == (state["episodes"] + 1).tolist()
    assert again.state()["counts"].tolist() == [0, 0, 0]
    assert again.state()["pending"].tolist() == [False] * 3


def test_environments_of_other_spaces_don_t_go_side_by_side() -> None:
    class Wider(Line):
        observation_space = gymnasium.spaces.Box(-1, 50, (3,), np.float32)

    mixed = [*places(1), EnvPlace(LineTask("wide", kind=Wider), "source", 1, 1, seed=2)]
    with pytest.raises(TlmlError, match=r"^environments of line, wide differ in their spaces"):
        EnvStream(mixed)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_an_environment_of_many_is_understood_in_each_way_of_resetting(mode: AutoresetMode) -> None:
    """The same lines, reset in three ways, give the same steps."""

    class Native(LineTask):
        def make_vec(self, number: int, seed: int) -> Any:
            made = [lambda: Line(self.size)] * number
            return gymnasium.vector.SyncVectorEnv(made, autoreset_mode=mode)

    stream = EnvStream([EnvPlace(Native("line"), "source", 0, n, 2) for n in range(2)], "native")
    assert stream.mode is mode
    for _ in range(40):
        before = np.array(stream.observations)
        pending = stream.state()["pending"].numpy()
        seen, rewards, terminated, truncated, followed = stream.step(np.array([1, 0]))
        after = seen if followed is None else followed
        over = terminated | truncated
        (valid,) = stream.valid(over[None])
        acted = valid & ~(pending & (mode is AutoresetMode.NEXT_STEP))
        assert (acted == valid).all()
        assert after[acted, 0].tolist() == (before[:, 0] + np.array([1, -1]))[acted].tolist()
        stream.follow(np.array([[1, 0]]), rewards[None], over[None], valid[None])
    with fails("vectorization: task line brings no make_vec(number, seed); take 'sync'"):
        EnvStream(places(), "native")


class Shut(Line):
    """A line on which one direction is shut in each step, told unless its size is 6."""

    def __init__(self, size: int = 5) -> None:
        super().__init__(size)
        self.mask = np.ones(2, bool)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        return super().reset(**options)[0], self.told()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return (*super().step(action)[:4], self.told())

    def told(self) -> dict[str, Any]:
        self.mask = np.arange(2) == self.np_random.integers(2)
        return {} if self.size == 6 else {"action_mask": self.mask}


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_what_may_be_chosen_is_told_of_what_is_seen_in_each_way_of_resetting(mode: Any) -> None:
    class Native(LineTask):
        def make_vec(self, number: int, seed: int) -> Any:
            made = [lambda: Shut(5), lambda: Shut(6), lambda: Shut(7)]
            return gymnasium.vector.SyncVectorEnv(made, autoreset_mode=mode)

    stream = EnvStream([EnvPlace(Native("line"), "source", 0, n, 2) for n in range(3)], "native")
    for _ in range(30):
        masks, made = stream.allowed(), [env.unwrapped for env in stream.envs.envs]
        assert masks.tolist() == [made[0].mask.tolist(), [True, True], made[2].mask.tolist()]
        stream.step(np.array([env.mask.argmax() for env in made]))
    assert EnvStream(places()).allowed() is None


def test_processes_of_environments_end_with_their_stream_alone() -> None:
    stream, alone = EnvStream(places(2), "async"), EnvStream(places(2))
    processes = stream.envs.processes
    for process in processes:  # as a terminal tells all of a command's that Ctrl-C was pressed
        os.kill(process.pid, signal.SIGINT)
    assert run(stream, 20) == run(alone, 20)
    stream.close()
    assert [process.exitcode for process in processes] == [0, 0]


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGKILL, "was ended by signal 9; systems do so where memory runs out"),
        (signal.SIGTERM, "was ended by signal 15"),
    ],
)
def test_an_environment_whose_process_is_gone_is_named(number: int, how: str) -> None:
    stream = EnvStream(places(3), "async")
    processes = stream.envs.processes
    os.kill(processes[1].pid, number)
    processes[1].join()
    with fails(f"environment 1 (line): its process {how}"):
        run(stream, 1)
    stream.close()
    assert all(process.exitcode is not None for process in processes)


def test_a_stream_is_closed_though_a_process_is_gone() -> None:
    stream = EnvStream(places(3), "async")
    processes = stream.envs.processes
    processes[0].kill()
    processes[0].join()
    stream.close()
    assert all(process.exitcode is not None for process in processes)

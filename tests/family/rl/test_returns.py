"""Returns, advantages and credit against slow double loops, and across autoreset modes."""

from __future__ import annotations

from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tlml import TlmlError
from tlml_rl.returns import credit, discounted_returns, gae, n_step, unfinished

Rows = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


@st.composite
def rollouts(draw: st.DrawFn) -> Rows:
    """Draw rewards, flags, values and values of successors; an episode may end in both ways."""
    steps, envs = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    share = draw(st.sampled_from([0.0, 0.2, 0.7]))
    flags = torch.rand(2, steps, envs, generator=rng) < share
    floats = torch.randn(3, steps, envs, generator=rng, dtype=torch.float64)
    return floats[0], flags[0], flags[1], floats[1], floats[2]


def slow_return(
    rows: Rows, t: int, n: int, gamma: float, steps: int | None = None
) -> tuple[float, int, int]:
    """Return what came from a step on, the row where that ends, and how many there were."""
    rewards, terminated, truncated, _, after = rows
    total, factor, taken = 0.0, 1.0, 0
    for row in range(t, len(rewards)):
        total, factor, taken = total + factor * float(rewards[row, n]), factor * gamma, taken + 1
        if terminated[row, n]:
            return total, row, taken
        if truncated[row, n] or row == len(rewards) - 1 or taken == steps:
            return total + factor * float(after[row, n]), row, taken
    raise AssertionError


def slow(rows: Rows, gamma: float, steps: int | None = None) -> Tensor:
    found = torch.zeros_like(rows[0])
    for t, n in np.ndindex(*found.shape):
        found[t, n] = slow_return(rows, t, n, gamma, steps)[0]
    return found


def close(found: Tensor, right: Tensor) -> None:
    torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-13)


@given(rollouts(), st.floats(0, 1))
def test_returns_are_those_of_a_double_loop(rows: Rows, gamma: float) -> None:
    rewards, terminated, truncated, _, after = rows
    close(discounted_returns(rewards, terminated, truncated, gamma, after), slow(rows, gamma))


@given(rollouts(), st.floats(0, 1), st.floats(0, 1))
def test_advantages_are_sums_of_later_errors_in_the_same_episode(
    rows: Rows, gamma: float, lam: float
) -> None:
    rewards, terminated, truncated, values, after = rows
    right = torch.zeros_like(rewards)
    for t, n in np.ndindex(*right.shape):
        for row in range(t, len(rewards)):
            follows = 0.0 if terminated[row, n] else float(after[row, n])
            error = float(rewards[row, n]) + gamma * follows - float(values[row, n])
            right[t, n] += (gamma * lam) ** (row - t) * error
            if terminated[row, n] or truncated[row, n]:
                break
    close(gae(rewards, values, after, terminated, truncated, gamma, lam), right)


@given(rollouts(), st.floats(0, 1))
def test_with_lambda_1_advantages_are_returns_less_values(rows: Rows, gamma: float) -> None:
    rewards, terminated, truncated, values, after = rows
    after = torch.cat([values[1:], after[-1:]])  # what the next row was thought to be worth
    found = gae(rewards, values, after, terminated, truncated, gamma, 1.0)
    close(found + values, discounted_returns(rewards, terminated, truncated, gamma, after))


@given(rollouts(), st.floats(0, 1), st.integers(1, 6))
def test_n_step_targets_are_those_of_a_double_loop(rows: Rows, gamma: float, n: int) -> None:
    rewards, terminated, truncated, _, after = rows
    ahead = n_step(rewards, terminated, truncated, gamma, n)
    follows = after.gather(0, ahead.last) * ~ahead.terminated
    close(ahead.rewards + ahead.discount * follows, slow(rows, gamma, n))
    for t, env in np.ndindex(*rewards.shape):
        _, last, taken = slow_return(rows, t, env, gamma, n)
        assert int(ahead.last[t, env]) == last
        assert bool(ahead.terminated[t, env]) == bool(terminated[last, env])
        assert float(ahead.discount[t, env]) == pytest.approx(gamma**taken, rel=1e-12)


@given(rollouts(), st.floats(0, 1))
def test_credit_is_the_whole_return_what_is_to_come_or_fades_from_the_end(
    rows: Rows, gamma: float
) -> None:
    rewards, terminated, truncated, _, after = rows
    whole, faded = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for n in range(rewards.shape[1]):
        first = 0
        for t in range(len(rewards)):
            total, last, _ = slow_return(rows, first, n, gamma)
            whole[t, n], faded[t, n] = total, gamma ** (last - t) * total
            if terminated[t, n] or truncated[t, n]:
                first = t + 1
    given = (rewards, terminated, truncated, gamma)
    close(credit(*given, "whole_return", after), whole)
    close(credit(*given, "from_the_end", after), faded)
    close(credit(*given, "reward_to_go", after), slow(rows, gamma))


def test_credit_by_hand() -> None:
    rewards = torch.tensor([[1.0], [2.0], [4.0], [3.0]], dtype=torch.float64)
    over = torch.tensor([[False], [False], [True], [True]])
    never = torch.zeros_like(over)
    found = [credit(rewards, over, never, 0.5, kind).flatten().tolist()
             for kind in ("whole_return", "reward_to_go", "from_the_end")]  # fmt: skip
    assert found == [[3, 3, 3, 3], [3, 4, 4, 3], [0.75, 1.5, 3, 3]]
    assert unfinished(never, over[[3, 0, 1, 1]].contiguous()).flatten().tolist() == [
        False, True, True, True,
    ]  # fmt: skip


def test_nothing_given_is_changed_and_floats_stay_what_they_are() -> None:
    rewards, values = torch.ones(3, 2), torch.zeros(3, 2)
    flags = torch.zeros(3, 2, dtype=torch.bool)
    before = rewards.clone(), values.clone()
    for found in (
        gae(rewards, values, values, flags, flags, 0.9, 0.9),
        discounted_returns(rewards, flags, flags, 0.9, values),
        credit(rewards, flags, flags, 0.9, "whole_return"),
        n_step(rewards, flags, flags, 0.9, 2).rewards,
    ):
        assert found.dtype == torch.float32
        assert torch.equal(rewards, before[0]) and torch.equal(values, before[1])


def test_a_value_of_the_last_row_alone_will_do_where_nothing_is_cut_before() -> None:
    rewards, flags = torch.ones(3, 2), torch.zeros(3, 2, dtype=torch.bool)
    last = torch.tensor([1.0, 2.0])
    assert discounted_returns(rewards, flags, flags, 0.5, last)[0].tolist() == [1.875, 2.0]
    flags[1, 0] = True
    with pytest.raises(TlmlError, match=r"bootstrap: an episode was truncated before the last row"):
        discounted_returns(rewards, torch.zeros_like(flags), flags, 0.5, last)
    with pytest.raises(TlmlError, match=r"bootstrap: must be \[3, 2\] or \[2\], is \[4\]"):
        discounted_returns(rewards, flags, flags, 0.5, torch.ones(4))


@pytest.mark.parametrize("name", ["values", "terminated"])
def test_other_shapes_are_refused(name: str) -> None:
    rewards, flags = torch.ones(3, 2), torch.zeros(3, 2, dtype=torch.bool)
    given = {"values": rewards, "terminated": flags}
    given[name] = given[name][:2]
    with pytest.raises(TlmlError, match=rf"{name}: must be \[3, 2\] as rewards, is \[2, 2\]"):
        gae(rewards, given["values"], rewards, given["terminated"], flags, 0.9, 0.9)


def test_rewards_of_whole_numbers_and_unknown_kinds_are_refused() -> None:
    flags = torch.zeros(3, 2, dtype=torch.bool)
    with pytest.raises(TlmlError, match="rewards: must be floats"):
        discounted_returns(torch.ones(3, 2).int(), flags, flags, 0.9, 0.0)
    with pytest.raises(TlmlError, match="credit: 'all' is not one of whole_return"):
        credit(torch.ones(3, 2), flags, flags, 0.9, "all")


# The same trajectories in every autoreset mode


class Walk(gymnasium.Env):
    """Counts its steps; the episode ends at a length of its own, in one of the ways or in both."""

    observation_space = gymnasium.spaces.Box(-100, 100, (2,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, number: int) -> None:
        self.number, self.episode = number, -1

    def reset(self, *, seed=None, options=None):
        self.episode, self.step_number = self.episode + 1, 0
        return self._seen(), {}

    def step(self, action):
        self.step_number += 1
        kind = (self.number + self.episode) % 3
        over = self.step_number >= 2 + (3 * self.number + self.episode) % 4
        reward = np.sin(self.step_number + 5.0 * self.episode + self.number)
        return self._seen(), reward, over and kind != 1, over and kind != 0, {}

    def _seen(self):
        return np.array([self.episode, self.step_number], np.float64)


class Played(NamedTuple):
    before: Tensor
    after: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor


def played(mode: AutoresetMode, steps: int) -> Played:
    """Walk in three environments and write down what each row led to."""
    envs = SyncVectorEnv([lambda n=n: Walk(n) for n in range(3)], autoreset_mode=mode)
    seen, _ = envs.reset()
    rows, done = [], np.zeros(3, bool)
    for _ in range(steps):
        if mode is AutoresetMode.DISABLED and done.any():
            seen, _ = envs.reset(options={"reset_mask": done})
        skipped = done if mode is AutoresetMode.NEXT_STEP else np.zeros(3, bool)
        before = seen.copy()
        seen, rewards, terminated, truncated, infos = envs.step(np.zeros(3, int))
        done, after = terminated | truncated, seen.copy()
        if mode is AutoresetMode.SAME_STEP and done.any():
            for n in done.nonzero()[0]:
                after[n] = infos["final_obs"][n]
        rows.append((before, after, rewards, terminated, truncated, ~skipped))
    return Played(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def value(seen: Tensor) -> Tensor:
    return torch.cos(3 * seen[..., 0] + seen[..., 1])


def worth(rows: Played, name: str) -> Tensor:
    rewards, flags = rows.rewards, (rows.terminated, rows.truncated)
    if name == "gae":
        return gae(rewards, value(rows.before), value(rows.after), *flags, 0.9, 0.8, rows.valid)
    if name == "returns":
        return discounted_returns(rewards, *flags, 0.9, value(rows.after), rows.valid)
    if name == "n_step":
        ahead = n_step(rewards, *flags, 0.9, 3)
        follows = value(rows.after).gather(0, ahead.last) * ~ahead.terminated
        return (ahead.rewards + ahead.discount * follows) * rows.valid
    return credit(rewards, *flags, 0.9, name, value(rows.after), rows.valid)


@pytest.mark.parametrize(
    "name", ["gae", "returns", "n_step", "whole_return", "reward_to_go", "from_the_end"]
)
def test_all_autoreset_modes_give_the_same_for_the_same_trajectories(name: str) -> None:
    found = {}
    for mode in AutoresetMode:
        rows = played(mode, 40)
        total = worth(rows, name)
        assert not total[~rows.valid].any()
        for n in range(3):
            # Whole episodes alone: rollouts of one length end in different places.
            kept = (rows.valid & ~unfinished(rows.terminated, rows.truncated))[:, n]
            found[mode, n] = total[kept, n]
    for n in range(3):
        next_step, same_step, disabled = (found[mode, n] for mode in AutoresetMode)
        assert len(next_step) > 15
        close(next_step, same_step[: len(next_step)])
        close(same_step, disabled)

"""Replay: what is kept, drawn and led to, against slow lists; priorities against plain sums."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st

from tlml import TlmlError
from tlml.data import Rollout
from tlml_rl.off_policy import free_memory as room
from tlml_rl.off_policy import replay as module
from tlml_rl.off_policy.priorities import SumTree
from tlml_rl.off_policy.replay import ReplayBuffer

SEEN = Box(0, np.inf, (1,), np.float32)
GAMMA = 0.9


class Done(NamedTuple):
    """A step as somebody wrote it down; every observation is a number of its own."""

    seen: float
    action: int
    reward: float
    after: float
    terminated: bool
    over: bool


class World:
    """Environments whose steps are random, and lists of what was done in each.

    Args:
        envs: How many.
        seed: Of everything.
        same_step: Whether they are reset within a step, or by a step of its own.
        ends: How often a step terminates an episode, and how often it truncates one.
    """

    def __init__(self, envs: int, seed: int, same_step: bool, ends: float = 0.2) -> None:
        self.ends = ends
        self.rng, self.same_step, self.counted = np.random.default_rng(seed), same_step, 0.0
        self.now = [self.new() for _ in range(envs)]
        self.pending = [False] * envs
        self.done: list[list[Done | None]] = [[] for _ in range(envs)]  # None: an end

    def new(self) -> float:
        self.counted += 1
        return self.counted

    def rollout(self, steps: int) -> Rollout:
        """Step all of them so many times."""
        shape = steps, len(self.now)
        observations = np.zeros((steps + 1, shape[1], 1), np.float32)
        observations[0, :, 0] = self.now
        successors = np.zeros((*shape, 1), np.float32)
        actions, rewards = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        terminated, truncated = np.zeros((2, *shape), bool)
        valid = np.ones(shape, bool)
        for t, n in np.ndindex(*shape):
            if self.pending[n]:  # this step only resets
                valid[t, n], self.pending[n], self.now[n] = False, False, self.new()
            else:
                actions[t, n], rewards[t, n] = self.rng.integers(3), self.rng.normal()
                terminated[t, n], truncated[t, n] = self.rng.random(2) < self.ends
                self.act(n, actions[t, n], rewards[t, n], terminated[t, n], truncated[t, n])
                last = self.done[n][-1] or self.done[n][-2]
                assert last is not None
                successors[t, n] = last.after
            observations[t + 1, n] = self.now[n]
        arrays = (observations, actions, rewards, terminated, truncated, valid)
        told = Rollout(*map(torch.from_numpy, arrays))
        return told._replace(successors=torch.from_numpy(successors)) if self.same_step else told

    def act(self, n: int, action: int, reward: float, terminated: bool, truncated: bool) -> None:
        after, over = self.new(), bool(terminated or truncated)
        self.done[n].append(
            Done(self.now[n], int(action), float(reward), after, bool(terminated), over)
        )
        self.now[n] = after
        if over:
            self.done[n].append(None)
            self.pending[n] = not self.same_step
            if self.same_step:
                self.now[n] = self.new()


def steps_ahead(done: list[Done | None], place: int, number: int) -> tuple[Any, ...]:
    """Return what a step comes to with some that follow, one after the other."""
    first = done[place]
    assert first is not None
    total, worth, last = 0.0, 1.0, first
    for following in done[place : place + number]:
        if following is None:
            break
        total += worth * following.reward
        worth *= GAMMA
        last = following
    return first.seen, first.action, total, last.after, last.terminated, worth


def kept(world: World, n: int, places: int) -> list[int]:
    """Return which steps of an environment its ring still holds: ends take places, too."""
    newest = deque(range(len(world.done[n])), maxlen=places - 1)
    if world.pending[n]:  # the end is what was seen last, which no ring counts
        newest = deque(range(len(world.done[n]) - 1), maxlen=places - 1)
    return [place for place in newest if world.done[n][place] is not None]


def rows_told(found: Any, rows: Any) -> dict[float, tuple[Any, ...]]:
    """Return steps by what was seen."""
    columns = (
        found.observations[..., 0], found.actions, found.rewards, found.next_observations[..., 0],
        found.terminated, found.discount,
    )  # fmt: skip
    return {row[0]: row for row in zip(*(one.reshape(-1).tolist() for one in columns), strict=True)}


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 3), st.integers(4, 40), st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(1, 4), st.booleans(), st.integers(0, 10_000),
)  # fmt: skip
def test_steps_are_those_of_lists(envs, places, blocks, n_step, same_step, seed) -> None:
    world = World(envs, seed, same_step)
    memory = ReplayBuffer(envs * places + envs - 1, SEEN, Discrete(3), gamma=GAMMA, n_step=n_step)
    for steps in blocks:
        memory.write(world.rollout(steps))
        assert memory.places == (envs * places + envs - 1) // envs
        rows = np.flatnonzero(memory.valid.numpy())
        found = rows_told(memory.at(rows), rows)
        wanted = [
            steps_ahead(world.done[n], place, n_step)
            for n in range(envs)
            for place in kept(world, n, memory.places)
        ]
        assert len(memory) == len(rows) == len(wanted)
        for one in wanted:
            assert found[one[0]] == pytest.approx(one, rel=1e-5, abs=1e-6)


def test_a_cut_episode_goes_on_and_one_that_ended_does_not() -> None:
    """Terminated, truncated, and both: what counts for values is the first alone."""
    told = Rollout(
        torch.arange(7.0).reshape(7, 1, 1), torch.zeros(6, 1, dtype=torch.int64),
        torch.ones(6, 1), torch.tensor([[1], [0], [0], [0], [1], [0]]).bool(),
        torch.tensor([[0], [0], [1], [0], [1], [0]]).bool(),
        torch.tensor([[1], [0], [1], [0], [1], [0]]).bool(),
    )  # fmt: skip
    memory = ReplayBuffer(20, SEEN, Discrete(2), gamma=GAMMA, n_step=3)
    memory.write(told)
    found = memory.at(np.array([0, 2, 4]))
    assert found.terminated.tolist() == [True, False, True]
    assert found.next_observations.flatten().tolist() == [1.0, 3.0, 5.0]
    assert found.discount.tolist() == pytest.approx([GAMMA] * 3)


@pytest.mark.parametrize("same_step", [False, True])
def test_all_steps_are_drawn_alike_and_ends_never(same_step: bool) -> None:
    world = World(2, 0, same_step)
    memory = ReplayBuffer(30, SEEN, Discrete(3))
    for _ in range(5):
        memory.write(world.rollout(5))
    drawn = memory.draw(np.random.default_rng(0), 50, 400)
    rows, counts = np.unique(drawn.rows.numpy(), return_counts=True)
    assert rows.tolist() == np.flatnonzero(memory.valid.numpy()).tolist()
    share = counts / counts.sum() * len(rows)
    assert share.min() > 0.85 and share.max() < 1.15
    again = memory.draw(np.random.default_rng(0), 50, 400)
    assert torch.equal(again.rows, drawn.rows) and drawn.rewards.shape == (50, 400)


def test_what_begins_elsewhere_ends_what_was_before() -> None:
    world, other = World(1, 0, False), World(1, 9, False)
    other.counted, other.now = 500.0, [500.0]
    memory = ReplayBuffer(40, SEEN, Discrete(3), gamma=GAMMA, n_step=4)
    first = world.rollout(1)
    memory.write(first)
    memory.write(other.rollout(3))
    found = memory.at(np.array([0]))
    assert found.next_observations.item() == first.observations[1].item()
    assert found.discount.item() == pytest.approx(GAMMA)
    assert not memory.valid[1]


def test_masks_are_those_of_what_follows() -> None:
    memory = ReplayBuffer(8, SEEN, Discrete(3))
    world = World(1, 3, False)
    before = world.rollout(1)
    memory.write(before)
    world.pending = [False]
    told = world.rollout(2)
    masks = torch.tensor([[[1, 0, 1]], [[0, 1, 1]]]).bool()
    memory.write(told._replace(allowed=masks), np.array([[1, 1, 0]]))
    after = memory.at(np.array([0, 1, 2])).next_allowed
    assert after is not None
    assert after.tolist() == [[True, False, True], [False, True, True], [True, True, False]]


def test_bytes_stay_bytes_and_floats_become_single() -> None:
    memory = ReplayBuffer(8, Box(0, 255, (2, 3), np.uint8), Discrete(2))
    assert memory.observations.dtype == torch.uint8 and memory.observations.shape == (8, 2, 3)
    assert ReplayBuffer(8, Box(-1, 1, (2,), np.float64), Discrete(2)).observations.dtype == (
        torch.float32
    )


def test_observations_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "rank_zero_info", told.append)
    memory = ReplayBuffer(1_000, Box(0, 255, (4, 84, 84), np.uint8), Discrete(2))
    frames = 4 * 84 * 84 * 1_000
    assert frames < sum(b.nbytes for b in memory.buffers()) < 1.01 * frames
    assert told == ["replay: room for 1,000 steps takes 28.2 MB of memory"]


def test_more_than_there_is_memory_for_is_refused_before_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 10_000_000)
    with pytest.raises(
        TlmlError,
        match=r"replay: room for 1,000,000 steps takes 28.2 GB of memory, and 10 MB are free; "
        "take a smaller buffer_size",
    ):
        ReplayBuffer(1_000_000, Box(0, 255, (4, 84, 84), np.uint8), Discrete(2))


def test_free_memory_is_what_the_system_tells(monkeypatch: Any, tmp_path: Any) -> None:
    assert (room.free_memory() or 0) > 10**7
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:  9 kB\nMemAvailable:   7 kB\n")
    monkeypatch.setattr(room, "_MEMINFO", told)
    assert room.free_memory() == 7 * 1024
    told.write_text("nothing of the kind")
    assert (room.free_memory() or 10**8) > 10**7


def test_too_few_places_for_all_environments_are_refused() -> None:
    with pytest.raises(TlmlError, match="replay: 5 places are too few for 3 environments"):
        ReplayBuffer(5, SEEN, Discrete(3)).write(World(3, 0, False).rollout(1))
    saved = ReplayBuffer(30, SEEN, Discrete(3))
    saved.write(World(3, 0, False).rollout(1))
    with pytest.raises(TlmlError, match="replay: 5 places are too few for 3 environments"):
        ReplayBuffer(5, SEEN, Discrete(3)).load_state_dict(saved.state_dict())


@pytest.mark.parametrize("alpha", [None, 0.6])
def test_what_is_saved_goes_on_bit_for_bit(alpha: float | None) -> None:
    world, memory = World(2, 1, False), ReplayBuffer(21, SEEN, Discrete(3), alpha=alpha)
    for _ in range(4):
        memory.write(world.rollout(4))
    if alpha is not None:
        rows = memory.draw(np.random.default_rng(0), 2, 5).rows.numpy()
        memory.reprioritise(rows, np.arange(10.0).reshape(2, 5))
    other = ReplayBuffer(21, SEEN, Discrete(3), alpha=alpha)
    other.load_state_dict(copy.deepcopy(memory.state_dict()))
    more = world.rollout(5)
    found = []
    for one in (memory, other):
        one.write(more)
        found.append(one.draw(np.random.default_rng(1), 3, 4))
    for first, second in zip(*found, strict=True):
        assert (first is None and second is None) or torch.equal(first, second)
    memory.clear()
    assert len(memory) == 0 and not memory.full and len(other) > 0


def steps_in(memory: ReplayBuffer) -> list[tuple[float, ...]]:
    """Return what may be drawn, with its weight, in an order of its own."""
    rows = np.flatnonzero(memory.valid.numpy())
    told = memory.at(rows)
    weights = np.ones(len(rows)) if memory.priorities is None else memory.priorities.at(rows)
    columns = (told.observations[:, 0], told.actions, told.rewards, told.next_observations[:, 0])
    return sorted(zip(*(column.tolist() for column in columns), weights.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3), st.integers(6, 40), st.integers(6, 40),
    st.lists(st.integers(1, 12), min_size=0, max_size=5), st.sampled_from([None, 0.6]),
    st.booleans(), st.integers(0, 999),
)  # fmt: skip
def test_a_memory_of_another_size_takes_over_the_newest_steps(
    envs, saved, size, blocks, alpha, same_step, seed
) -> None:
    world = World(envs, seed, same_step)
    before, direct = (ReplayBuffer(n, SEEN, Discrete(3), alpha=alpha) for n in (saved, size))
    for block in blocks:
        rollout = world.rollout(block)
        before.write(rollout)
        direct.write(rollout)
    if alpha is not None and len(before):
        rows = np.flatnonzero(before.valid.numpy())
        before.reprioritise(rows, before.rewards.numpy()[rows])
        rows = np.flatnonzero(direct.valid.numpy())
        direct.reprioritise(rows, direct.rewards.numpy()[rows])
    after = ReplayBuffer(size, SEEN, Discrete(3), alpha=alpha)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    assert steps_in(after) == steps_in(before if size // envs >= saved // envs else direct)
    if alpha is not None:
        assert after.priorities.total() == pytest.approx(sum(one[-1] for one in steps_in(after)))
    if blocks:
        again, more = ReplayBuffer(size, SEEN, Discrete(3), alpha=alpha), world.rollout(size)
        again.load_state_dict(after.state_dict())
        after.write(more)  # goes on, and forgets the oldest first
        again.write(more)
        assert steps_in(after) == steps_in(again)
        places = size // envs
        assert len(after) <= envs * (places - 1)


# Priorities


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_a_tree_finds_what_sums_find(size: int, seed: int) -> None:
    rng, tree = np.random.default_rng(seed), SumTree(size)
    plain = np.zeros(size)
    for _ in range(5):
        places = rng.integers(size, size=int(rng.integers(1, 9)))
        weights = np.where(rng.random(len(places)) < 0.3, 0.0, rng.random(len(places)))
        tree.put(places, weights)
        for place, weight in zip(places, weights, strict=True):
            plain[place] = weight
        assert np.array_equal(tree.at(np.arange(size)), plain)
        assert tree.total() == pytest.approx(plain.sum())
        if plain.sum() == 0:
            continue
        drawn = rng.random((3, 4)) * plain.sum()
        sums = np.cumsum(plain)
        wanted = np.searchsorted(sums, drawn, "right")
        clear = np.abs(sums[None, None] - drawn[..., None]).min(-1) > 1e-9
        assert np.array_equal(tree.find(drawn)[clear], wanted[clear])
        assert (plain[tree.find(np.array([0.0, plain.sum(), plain.sum() * 2]))] > 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.floats(0.1, 1.0), st.floats(0.0, 1.0), st.booleans(),
    st.integers(0, 1000),
)  # fmt: skip
def test_priorities_are_those_of_lists(envs, alpha, beta, same_step, seed) -> None:
    """Each step's priority by what it saw, its probability and its weight, written down by hand."""
    world, rng = World(envs, seed, same_step), np.random.default_rng(seed)
    memory = ReplayBuffer(envs * 12, SEEN, Discrete(3), alpha=alpha)
    wrong: dict[float, float] = {}
    largest = 1.0
    for _ in range(6):
        before = set(wrong)
        memory.write(world.rollout(4))
        rows = np.flatnonzero(memory.valid.numpy())
        seen = memory.observations[rows, 0].tolist()
        for one in seen:
            if one not in before:
                wrong[one] = largest
        raw = np.array([wrong[one] for one in seen]) ** alpha
        assert memory.priorities is not None
        np.testing.assert_allclose(memory.priorities.at(rows), raw, rtol=1e-9)
        drawn = memory.draw(rng, 3, 4, beta)
        assert drawn.weights is not None and drawn.rows is not None
        chances = dict(zip(rows.tolist(), raw / raw.sum(), strict=True))
        own = np.array([[chances[row] for row in batch] for batch in drawn.rows.tolist()])
        weights = (own * len(rows)) ** -beta
        weights /= weights.max(1, keepdims=True)
        np.testing.assert_allclose(drawn.weights, weights, rtol=1e-5)
        errors = rng.normal(size=(3, 4)) * 3
        memory.reprioritise(drawn.rows.numpy(), errors)
        told = zip(drawn.observations.flatten().tolist(), errors.reshape(-1), strict=True)
        wrong |= {one: abs(error) + 1e-6 for one, error in told}
        largest = max(largest, np.abs(errors).max() + 1e-6)


def test_steps_are_drawn_by_their_priority() -> None:
    memory = ReplayBuffer(6, SEEN, Discrete(3), alpha=1.0)
    memory.write(World(1, 0, False, ends=0.0).rollout(4))
    memory.reprioritise(np.arange(4), np.array([1.0, 2.0, 3.0, 4.0]))
    drawn = memory.draw(np.random.default_rng(0), 400, 25).rows
    assert drawn is not None
    counts = np.bincount(drawn.reshape(-1).numpy()) / drawn.numel()
    np.testing.assert_allclose(counts, [0.1, 0.2, 0.3, 0.4], atol=0.01)

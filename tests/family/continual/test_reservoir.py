"""The memory of a stream is a uniform sample of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from scipy import stats

from tlml.data import Batch
from tlml.views import ViewSpaces
from tlml_continual.memories.reservoir import ReservoirBuffer

SPACES = ViewSpaces(Box(-np.inf, np.inf, (2,), np.float32), Discrete(5))


def numbered(first: int, last: int) -> Batch:
    """Return examples whose inputs are their numbers in the stream."""
    numbers = torch.arange(first, last)
    return Batch(torch.stack([numbers, numbers], dim=1).float(), numbers % 5)


def filled(capacity: int, sizes: list[int], seed: int) -> ReservoirBuffer:
    buffer, came = ReservoirBuffer(capacity, SPACES), 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for size in sizes:
            buffer.push(numbered(came, came + size))
            came += size
    return buffer


TRIES, CAPACITY, LENGTH = 3000, 8, 12


def p_value(kept: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the probability of such numbers, or more extreme ones, where all are kept alike."""
    share = CAPACITY / LENGTH
    variance = TRIES * share * (1 - share) * LENGTH / (LENGTH - 1)  # their sum is given
    return float(stats.chi2.sf(((kept - TRIES * share) ** 2 / variance).sum(), LENGTH - 1))


@pytest.mark.parametrize("sizes", [[1] * LENGTH, [4] * 3, [3, 7, 2]], ids=str)
def test_each_example_is_kept_equally_often(sizes: list[int]) -> None:
    kept = np.zeros(LENGTH, dtype=np.int64)
    for seed in range(TRIES):
        kept[filled(CAPACITY, sizes, seed).x[:, 0].long().numpy()] += 1
    assert kept.sum() == TRIES * CAPACITY
    assert p_value(kept) > 1e-3


def test_the_test_would_catch_a_place_drawn_one_too_far() -> None:
    """As La-MAML's authors draw it: from 0 to a, both included, once a have come."""
    rng, kept = np.random.default_rng(0), np.zeros(LENGTH, dtype=np.int64)
    for _ in range(TRIES):
        places = list(range(CAPACITY))
        for age in range(CAPACITY + 1, LENGTH + 1):
            place = rng.integers(0, age + 1)
            if place < CAPACITY:
                places[place] = age - 1
        kept[places] += 1
    assert p_value(kept) < 1e-6


def test_examples_keep_their_target_task_and_logits() -> None:
    buffer = ReservoirBuffer(4, SPACES, scores=3)
    torch.manual_seed(1)
    for task in range(6):
        batch = numbered(3 * task, 3 * task + 3)
        buffer.push(batch, task, batch.x[:, :1].expand(3, 3) / 2)
    numbers = buffer.x[:, 0].long()
    assert len(buffer) == 4
    assert torch.equal(buffer.y, numbers % 5)
    assert torch.equal(buffer.task, numbers // 3)
    assert torch.equal(buffer.logits[:, 2], numbers / 2)


def test_a_memory_that_is_not_full_gives_what_it_has() -> None:
    buffer = ReservoirBuffer(10, SPACES)
    assert len(buffer) == 0
    buffer.push(numbered(0, 3))
    assert len(buffer) == 3
    drawn = buffer.sample(50)
    assert drawn.x.shape == (50, 2)
    assert set(drawn.x[:, 0].tolist()) == {0.0, 1.0, 2.0}


def test_it_is_saved_and_goes_on() -> None:
    whole, first = filled(4, [10, 10], 3), filled(4, [10], 3)
    second = ReservoirBuffer(4, SPACES)
    second.load_state_dict(first.state_dict())
    torch.manual_seed(3)
    torch.rand(10, dtype=torch.float64)  # what the first ten drew
    second.push(numbered(10, 20))
    assert torch.equal(second.x, whole.x)
    assert int(second.age) == 20

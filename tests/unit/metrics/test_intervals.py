"""Bootstrap intervals and means, against loops and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from measures import message
from scipy import stats

from tlml.metrics import (
    bootstrap_interval,
    interquartile_mean,
    paired_difference,
)


def slow_interval(values: np.ndarray, seed: int, resamples: int) -> tuple[float, float]:
    """The definition in loops: seeds with replacement, then each one's episodes."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        drawn = [values[rng.integers(len(values))] for _ in values]
        scores = [row[rng.integers(len(row))] for row in drawn for _ in row]
        means.append(sum(scores) / len(scores))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("shape", [(1, 40), (4, 10)])
def test_the_interval_equals_a_bootstrap_in_loops(shape):
    rng = np.random.default_rng(5)
    values = rng.normal(size=shape) + rng.normal(size=(shape[0], 1))
    interval = bootstrap_interval(values, resamples=4000)
    slow = slow_interval(values, 1, 4000)
    width = slow[1] - slow[0]
    assert interval == pytest.approx(slow, abs=0.06 * width)
    flat = bootstrap_interval(values[0]), bootstrap_interval(values[:1])
    assert flat[0] == flat[1]


def test_the_interval_of_one_row_equals_scipys():
    values = np.random.default_rng(6).exponential(size=60)
    reference = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(7)
    ).confidence_interval
    width = reference.high - reference.low
    assert bootstrap_interval(values, resamples=9999) == pytest.approx(
        (reference.low, reference.high), abs=0.05 * width
    )


def test_the_interval_over_seeds_has_the_variance_of_both_levels():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(30, 40)) + 0.5 * rng.normal(size=(30, 1))
    between, within = values.mean(1).var() / 30, values.var(axis=1).mean() / (30 * 40)
    low, high = bootstrap_interval(values, resamples=20_000, level=0.9)
    expected = 2 * stats.norm.ppf(0.95) * math.sqrt(between + within)
    assert high - low == pytest.approx(expected, rel=0.03)
    pooled = bootstrap_interval(values.ravel(), level=0.9)
    assert high - low > 2 * (pooled[1] - pooled[0]), "pooling would take seeds for episodes"


def test_the_interval_is_a_function_of_its_seed_and_takes_a_generator():
    values = np.arange(10.0)
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, np.random.default_rng(3))
    assert bootstrap_interval(values, 3) != bootstrap_interval(values, 4)
    narrow, wide = (bootstrap_interval(values, 3, level=level) for level in (0.5, 0.95))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_large_tables_are_resampled_in_parts_without_loss():
    values = np.random.default_rng(9).normal(size=(2, 1000))
    whole = bootstrap_interval(values, resamples=1500)  # 3 million draws, more than one part
    assert whole == pytest.approx(bootstrap_interval(values, 1, resamples=500), rel=0.2, abs=0.03)


@given(st.floats(-1e3, 1e3), st.integers(1, 9))
def test_equal_scores_have_an_interval_without_width(score, count):
    interval = bootstrap_interval([score] * count, resamples=20)
    assert interval == pytest.approx((score, score))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_give_no_interval(bad):
    assert all(math.isnan(bound) for bound in bootstrap_interval([0.5, bad]))
    assert all(math.isnan(value) for value in paired_difference([0.5, bad], [0.5, bad]))
    assert all(math.isnan(value) for value in paired_difference([0.5, 1], [0.5, bad]))


def test_bad_options_of_the_interval_are_refused():
    assert message(bootstrap_interval, []) == (
        "scores: must be [episodes] or [seeds, episodes], and some; the shape is [0]"
    )
    assert message(bootstrap_interval, np.zeros((2, 2, 2))) == (
        "scores: must be [episodes] or [seeds, episodes], and some; the shape is [2, 2, 2]"
    )
    assert message(bootstrap_interval, [1], level=95) == "level: must be above 0 and below 1, is 95"
    assert message(bootstrap_interval, [1], resamples=0) == (
        "resamples: must be greater than 0, is 0"
    )


@given(arrays(float, st.integers(1, 40), elements=st.floats(-100, 100)))
def test_the_interquartile_mean_drops_a_quarter_on_each_side(values):
    cut = len(values) // 4
    kept = sorted(values.tolist())[cut : len(values) - cut]
    assert interquartile_mean(values) == pytest.approx(sum(kept) / len(kept), abs=1e-9)
    assert interquartile_mean(values.reshape(1, -1)) == interquartile_mean(values)


def test_the_interquartile_mean_bears_what_it_drops_only():
    assert interquartile_mean([0.5, 0.5, 0.5, math.inf]) == 0.5
    assert math.isnan(interquartile_mean([0.5, 0.5, 0.5, math.nan]))


def test_the_paired_difference_is_taken_episode_by_episode():
    rng = np.random.default_rng(10)
    episodes = rng.normal(size=(3, 50)) * 5
    a, b = episodes + 0.2 + 0.1 * rng.normal(size=(3, 50)), episodes
    mean, low, high = paired_difference(a, b, 1)
    assert mean == pytest.approx(np.mean(a) - np.mean(b))
    assert (low, high) == bootstrap_interval(a - b, 1)
    assert 0.1 < low < mean < high < 0.3
    assert bootstrap_interval(a)[0] < bootstrap_interval(b)[1], "unpaired it drowns"


def test_episodes_that_are_not_the_same_are_refused():
    assert message(paired_difference, [1, 2, 3], [[1, 2], [3, 4]]) == (
        "paired difference: needs the same episodes, the scores have shapes [3] and [2, 2]"
    )

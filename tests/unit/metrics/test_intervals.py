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
    drawn_interval,
    interquartile_mean,
    paired_difference,
)


def slow_interval(values: np.ndarray, seed: int, resamples: int) -> tuple[float, float]:
    """The definition in loops: the mean, moved by drawn seeds and by drawn units."""
    rng, mean = np.random.default_rng(seed), values.mean()
    means = []
    for _ in range(resamples):
        moved = 0.0
        for own in (values.mean(axis=1), values.mean(axis=0)):
            drawn = [own[rng.integers(len(own))] for _ in own]
            deviation = sum(drawn) / len(drawn) - mean
            moved += deviation * math.sqrt(len(own) / max(len(own) - 1, 1))
        means.append(mean + moved)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def covered(rng: np.random.Generator, seeds: int, units: int, spread: tuple[float, ...]) -> float:
    """How often the interval holds the true mean, 0; spreads of seeds, units and the rest."""
    of_seed, of_unit, rest = spread
    held = 0
    for _ in range(300):
        table = of_seed * rng.normal(size=(seeds, 1)) + of_unit * rng.normal(size=(1, units))
        low, high = bootstrap_interval(table + rest * rng.normal(size=table.shape), resamples=500)
        held += low <= 0 <= high
    return held / 300


@pytest.mark.parametrize(
    ("seeds", "units", "spread"),
    [(1, 30, (0, 1, 0)), (3, 30, (0.1, 1, 0.5)), (5, 60, (0.1, 0.5, 1)), (10, 10, (1, 1, 1))],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(seeds, units, spread):
    assert 0.9 < covered(np.random.default_rng(4), seeds, units, spread) < 0.985


def test_units_that_all_seeds_share_are_not_drawn_for_each_seed_anew():
    """What an interval that takes three seeds on 20 tasks for 60 tasks would say."""
    rng, narrow = np.random.default_rng(3), 0
    for _ in range(200):
        table = np.tile(rng.normal(size=20), (3, 1))
        low, high = bootstrap_interval(table.ravel(), resamples=500)
        narrow += not low <= 0 <= high
    assert narrow / 200 > 0.2
    assert covered(rng, 3, 20, (0, 1, 0)) > 0.9


@given(st.integers(0, 99), st.integers(2, 6), st.integers(5, 20), st.floats(1, 5))
def test_a_spread_between_seeds_widens_the_interval(key, seeds, units, spread):
    rng = np.random.default_rng(key)
    flat = np.tile(rng.normal(size=units), (seeds, 1))
    effect = spread * np.linspace(-1, 1, seeds)[:, None]
    (low, high), (lower, higher) = (
        bootstrap_interval(table, resamples=1000) for table in (flat, flat + effect)
    )
    assert higher - lower > high - low


def test_draws_of_a_metric_are_combined_with_the_seeds():
    rng = np.random.default_rng(0)
    draws = np.tile(rng.normal(size=4000), (3, 1, 1))
    assert drawn_interval(draws, 1000) == pytest.approx((-1.96, 1.96), abs=0.1)
    apart = draws + np.array([-1.0, 0.0, 1.0])[:, None, None]
    expected = 1.96 * math.sqrt(1 + 1 / 3)  # the variance of the mean of three seeds
    low, high = drawn_interval(apart, 1000)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.06)
    assert all(math.isnan(end) for end in drawn_interval(np.full((1, 1, 3), math.inf), 5))
    assert message(drawn_interval, [[1.0]], 5) == (
        "draws: must be [seeds, units, draws]; the shape is [1, 1]"
    )
    assert message(drawn_interval, [[[1.0]]], 5, level=2) == (
        "level: must be above 0 and below 1, is 2"
    )


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


def test_the_interval_of_one_row_equals_scipys_but_for_the_stretch():
    values = np.random.default_rng(6).exponential(size=60)
    reference = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(7)
    ).confidence_interval
    mean, width = values.mean(), reference.high - reference.low
    stretched = [mean + math.sqrt(60 / 59) * (end - mean) for end in reference]
    assert bootstrap_interval(values, resamples=9999) == pytest.approx(stretched, abs=0.05 * width)


def test_the_interval_over_seeds_has_the_variance_of_both_levels():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(30, 40)) + 0.5 * rng.normal(size=(30, 1))
    between, across = values.mean(1).var(ddof=1) / 30, values.mean(0).var(ddof=1) / 40
    low, high = bootstrap_interval(values, resamples=20_000, level=0.9)
    expected = 2 * stats.norm.ppf(0.95) * math.sqrt(between + across)
    assert high - low == pytest.approx(expected, rel=0.03)
    pooled = bootstrap_interval(values.ravel(), level=0.9)
    assert high - low > 2 * (pooled[1] - pooled[0]), "pooling would take seeds for episodes"


def test_the_interval_is_a_function_of_its_seed_and_takes_a_generator():
    values = np.arange(10.0)
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, np.random.default_rng(3))
    assert bootstrap_interval(values, 3) != bootstrap_interval(values, 4)
    narrow, wide = (bootstrap_interval(values, 3, level=level) for level in (0.5, 0.95))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_draws_that_are_kept_are_those_of_the_seed():
    rng = np.random.default_rng(5)
    shapes = [(3, 20), (1, 7), (3, 20), (20, 3), (2, 8), (5, 5), (3, 20)]
    for table in [rng.normal(size=shape) for shape in shapes]:
        for seed in (0, 1):
            anew = np.random.default_rng(seed)
            assert bootstrap_interval(table, seed) == bootstrap_interval(table, anew)


def test_large_tables_are_resampled_in_parts_without_loss():
    values = np.random.default_rng(9).normal(size=(2, 1000))
    whole = bootstrap_interval(values, resamples=1500)  # 1.5 million draws, more than one part
    assert whole == pytest.approx(bootstrap_interval(values, 1, resamples=500), rel=0.2, abs=0.03)


@given(arrays(float, (2, 6), elements=st.floats(0, 1)))
def test_no_end_is_beyond_all_scores(values):
    low, high = bootstrap_interval(values, resamples=50)
    assert values.min() <= low <= high <= values.max()


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
        "scores: must be [units] or [seeds, units], and some; the shape is [0]"
    )
    assert message(bootstrap_interval, np.zeros((2, 2, 2))) == (
        "scores: must be [units] or [seeds, units], and some; the shape is [2, 2, 2]"
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


@given(arrays(np.float64, (3, 7), elements=st.floats(-1e3, 1e3)))
def test_the_interquartile_mean_is_scipys_to_the_last_digit(values):
    assert interquartile_mean(values) == stats.trim_mean(values, 0.25, axis=None)


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
        "paired difference: needs the same units, the scores have shapes [3] and [2, 2]"
    )

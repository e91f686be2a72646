"""Moving blocks, and that intervals of a series need them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tlml.metrics import bootstrap_interval, drawn_blocks, drawn_interval


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 5), st.integers(0, 99))
def test_draws_are_as_long_as_the_series_and_made_of_its_runs(number, length, draws, key):
    found = drawn_blocks(number, length, draws, np.random.default_rng(key))
    assert found.shape == (draws, number)
    assert found.min() >= 0 and found.max() < number
    own = min(length, number)
    for start in range(0, number, own):
        run = found[:, start : start + own]
        assert (np.diff(run, axis=1) == 1).all()


def test_an_autocorrelated_series_is_covered_by_blocks_alone():
    rng, held, alone, runs = np.random.default_rng(1), 0, 0, 150
    for _ in range(runs):
        series = ar1(rng, 600, 0.7)
        draws = series[drawn_blocks(len(series), 40, 300, rng)].mean(axis=1)
        low, high = drawn_interval(draws[None, None], len(series) // 40)
        held += low <= 0 <= high
        low, high = bootstrap_interval(series, resamples=200)
        alone += low <= 0 <= high
    assert held / runs > 0.87, "95% less what 15 blocks are too few for"
    assert alone / runs < 0.65


def ar1(rng: np.random.Generator, number: int, kept: float) -> np.ndarray:
    series, noise = np.zeros(number), rng.normal(size=number)
    series[0] = noise[0] / np.sqrt(1 - kept**2)
    for step in range(1, number):
        series[step] = kept * series[step - 1] + noise[step]
    return series

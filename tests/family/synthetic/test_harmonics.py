from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tlml
from tlml import TlmlError
from tlml.data import SPLITS, Task, draw_episode, keyed_rng
from tlml_synthetic.harmonics import Harmonic, Harmonics


def drawn(domain: Harmonics, number: int = 2000) -> list[Harmonic]:
    return [domain.draw("source", np.random.default_rng(seed)) for seed in range(number)]


def assert_uniform(values: list[float], low: float, high: float) -> None:
    counts, _ = np.histogram(values, bins=10, range=(low, high))
    assert counts.sum() == len(values)
    expected = len(values) / 10
    # A chi-squared value with 9 degrees of freedom is above 27.9 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 27.9


def test_it_is_registered_with_its_defaults():
    domain = tlml.domain("harmonics")
    assert isinstance(domain, Harmonics)
    assert domain.options == {
        "components": 2,
        "amplitude": 1.0,
        "frequency": (5.0, 7.0),
        "phase": (0.0, 2 * math.pi),
        "centre": (-4.0, 4.0),
        "spread": 1.0,
        "noise": 0.1,
    }


@given(st.integers(0, 2**32))
def test_points_lie_on_the_sum_of_two_sines(seed):
    task = Harmonic((1.5, -0.7), (0.3, 2.0), 6.0, centre=2.0)
    x, y = task.sample(20, np.random.default_rng(seed))
    exact = x.double()
    expected = 1.5 * torch.sin(6 * exact + 0.3) - 0.7 * torch.sin(12 * exact + 2.0)
    assert x.shape == y.shape == (20, 1)
    assert x.dtype == y.dtype == torch.float32
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=1e-5)


def test_each_component_has_a_multiple_of_the_base_frequency():
    task = Harmonic((0.0, 0.0, 2.0), (0.0, 0.0, 0.5), 1.5)
    x = np.linspace(-3, 3, 7)[:, None]
    np.testing.assert_allclose(task.value(x), 2 * np.sin(4.5 * x + 0.5), atol=1e-12)


def test_inputs_are_normal_around_the_centre_of_the_task():
    n = 100_000
    x, _ = Harmonic((1.0,), (0.0,), 5.0, centre=-3.0, spread=0.5).sample(
        n, np.random.default_rng(0)
    )
    assert x.mean().item() == pytest.approx(-3, abs=5 * 0.5 / math.sqrt(n))
    assert x.std().item() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(2 * n))
    # The share within one deviation tells the normal distribution from others.
    within = ((x + 3).abs() < 0.5).double().mean().item()
    assert within == pytest.approx(math.erf(math.sqrt(0.5)), abs=5 * 0.47 / math.sqrt(n))


def test_noise_has_the_given_deviation():
    n = 100_000
    task = Harmonic((1.0, 1.0), (0.0, 1.0), 5.0, noise=0.3)
    x, y = task.sample(n, np.random.default_rng(0))
    rest = y.numpy() - task.value(x.numpy())
    assert rest.std() == pytest.approx(0.3, abs=5 * 0.3 / math.sqrt(2 * n))
    assert rest.mean() == pytest.approx(0, abs=5 * 0.3 / math.sqrt(n))


def test_parameters_have_the_distributions_of_the_options():
    tasks = drawn(Harmonics(amplitude=2.0, frequency=(1, 3), phase=(0, 1), centre=(-1, 5)))
    amplitudes = np.array([task.amplitudes for task in tasks]).ravel()
    assert amplitudes.std() == pytest.approx(2, abs=5 * 2 / math.sqrt(2 * len(amplitudes)))
    assert amplitudes.mean() == pytest.approx(0, abs=5 * 2 / math.sqrt(len(amplitudes)))
    assert_uniform([task.frequency for task in tasks], 1, 3)
    assert_uniform([task.centre for task in tasks], -1, 5)
    for i in range(2):
        assert_uniform([task.phases[i] for task in tasks], 0, 1)


@given(st.integers(1, 6), st.floats(0, 2), st.floats(0.1, 2))
def test_options_reach_the_task(components, noise, spread):
    task = Harmonics(components, noise=noise, spread=spread).draw("source", keyed_rng(0, "source"))
    assert len(task.amplitudes) == len(task.phases) == components
    assert (task.noise, task.spread) == (noise, spread)


@given(st.integers(0, 2**32))
def test_splits_share_no_function_even_with_equal_generators(seed):
    domain = Harmonics()
    tasks = [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert tasks == [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert len({task.frequency for task in tasks}) == len({task.amplitudes for task in tasks}) == 3


def test_functions_are_tasks_that_episodes_divide():
    rng = keyed_rng(0, "target", 3)
    task = Harmonics().draw("target", rng)
    support, query = draw_episode(task, 10, 5, rng)
    assert isinstance(task, Task)
    assert (len(support.x), len(query.x)) == (10, 5)
    assert not set(support.x.flatten().tolist()) & set(query.x.flatten().tolist())


def test_domain_and_functions_pickle_and_have_names():
    domain = pickle.loads(pickle.dumps(Harmonics(components=3, noise=0.2)))
    task = domain.draw("source", keyed_rng(0, "source"))
    assert task == Harmonics(components=3, noise=0.2).draw("source", keyed_rng(0, "source"))
    assert pickle.loads(pickle.dumps(task)) == task
    named = Harmonic((1.0, -2.0), (0.5, 1.5), 6.0, centre=1.0)
    assert named.name == "1.000 sin(6.000 x + 0.500) + -2.000 sin(12.000 x + 1.500) at 1.000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components: must be greater than 0, is 0"),
        ({"amplitude": 0.0}, "amplitude: must be greater than 0, is 0.0"),
        ({"spread": -1.0}, "spread: must be greater than 0, is -1.0"),
        ({"noise": -1.0}, "noise: must be at least 0, is -1.0"),
        (
            {"frequency": (7.0, 5.0)},
            "frequency: must be two finite numbers, the lower first, is (7.0, 5.0)",
        ),
        ({"frequency": (0.0, 5.0)}, "frequency: must be above 0, starts at 0.0"),
        ({"phase": 1.0}, "phase: must be two finite numbers, the lower first, is 1.0"),
        (
            {"centre": (-math.inf, 0.0)},
            "centre: must be two finite numbers, the lower first, is (-inf, 0.0)",
        ),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        Harmonics(**options)
    assert str(caught.value) == message


def test_an_unknown_split_is_refused():
    message = "^split: 'train' is not one of source, validation, target$"
    with pytest.raises(TlmlError, match=message):
        Harmonics().draw("train", np.random.default_rng(0))

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
from tlml_synthetic.sinusoid import SineWave, Sinusoid

waves = st.builds(SineWave, st.floats(0.1, 5), st.floats(0, math.pi))


def test_it_is_registered_with_its_defaults():
    domain = tlml.domain("sinusoid")
    assert isinstance(domain, Sinusoid)
    assert domain.options == {"amplitude": (0.1, 5.0), "phase": (0.0, math.pi), "noise": 0.0}


@given(waves, st.integers(0, 2**32))
def test_points_lie_on_the_wave(wave, seed):
    x, y = wave.sample(20, np.random.default_rng(seed))
    expected = wave.amplitude * torch.sin(x.double() - wave.phase)
    assert x.shape == y.shape == (20, 1)
    assert x.dtype == y.dtype == torch.float32
    assert x.abs().max() <= 5
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("phase", [0.0, 0.7, math.pi])
def test_moments_are_the_closed_form(phase):
    n = 400_000
    x, y = SineWave(2.0, phase).sample(n, np.random.default_rng(0))
    # Integrals of sin and sin² over x uniform in [−5, 5].
    mean = -2 * math.sin(phase) * math.sin(5) / 5
    square = 4 * (1 / 2 - math.sin(10) * math.cos(2 * phase) / 20)
    assert abs(x.mean()) < 5 * 5 / math.sqrt(3 * n)
    assert y.mean().item() == pytest.approx(mean, abs=5 * 2 / math.sqrt(n))
    assert (y**2).mean().item() == pytest.approx(square, abs=5 * 4 / math.sqrt(n))


def test_noise_has_the_given_deviation():
    quiet, loud = SineWave(1.0, 0.5), SineWave(1.0, 0.5, noise=0.3)
    x, y = loud.sample(100_000, np.random.default_rng(0))
    rest = y - quiet.amplitude * torch.sin(x - quiet.phase)
    assert rest.std().item() == pytest.approx(0.3, rel=0.02)
    assert rest.mean().item() == pytest.approx(0, abs=0.005)


def test_amplitudes_and_phases_are_uniform_in_their_ranges():
    domain = Sinusoid()
    drawn = [domain.draw("source", np.random.default_rng(seed)) for seed in range(4000)]
    for values, low, high in (
        (np.array([wave.amplitude for wave in drawn]), 0.1, 5.0),
        (np.array([wave.phase for wave in drawn]), 0.0, math.pi),
    ):
        counts, _ = np.histogram(values, bins=10, range=(low, high))
        assert counts.sum() == 4000
        # A chi-squared value with 9 degrees of freedom is above 27.9 once in a thousand.
        assert ((counts - 400) ** 2 / 400).sum() < 27.9


@given(st.integers(0, 2**32))
def test_a_draw_is_a_function_of_split_and_generator(seed):
    domain = Sinusoid()
    drawn = [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert drawn == [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]


@given(st.integers(0, 2**32))
def test_splits_share_no_wave_even_with_equal_generators(seed):
    domain = Sinusoid()
    drawn = [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert len({wave.amplitude for wave in drawn}) == len({wave.phase for wave in drawn}) == 3


def test_ranges_of_one_value_fix_the_wave():
    wave = Sinusoid(amplitude=[2, 2], phase=[1, 1], noise=0.1).draw(
        "target", keyed_rng(0, "target")
    )
    assert wave == SineWave(2.0, 1.0, 0.1)
    assert wave.name == "2.000 sin(x - 1.000)"


def test_waves_are_tasks_that_episodes_divide():
    domain = Sinusoid()
    rng = keyed_rng(0, "target", 3)
    wave = domain.draw("target", rng)
    support, query = draw_episode(wave, 10, 5, rng)
    assert isinstance(wave, Task)
    assert (len(support.x), len(query.x)) == (10, 5)
    assert not set(support.x.flatten().tolist()) & set(query.x.flatten().tolist())


def test_spaces_hold_what_is_drawn():
    domain = Sinusoid()
    x, y = domain.draw("source", keyed_rng(0, "source")).sample(50, keyed_rng(1, "source"))
    x_space, y_space = domain.spaces("source")
    assert all(x_space.contains(value) for value in x.numpy())
    assert all(y_space.contains(value) for value in y.numpy())


def test_domain_and_waves_pickle():
    domain = pickle.loads(pickle.dumps(Sinusoid(noise=0.2)))
    wave = domain.draw("source", keyed_rng(0, "source"))
    assert wave == Sinusoid(noise=0.2).draw("source", keyed_rng(0, "source"))
    assert pickle.loads(pickle.dumps(wave)) == wave


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"amplitude": (5.0, 0.1)},
            "amplitude: must be two finite numbers, the lower first, is (5.0, 0.1)",
        ),
        ({"amplitude": 5.0}, "amplitude: must be two finite numbers, the lower first, is 5.0"),
        ({"phase": [1.0]}, "phase: must be two finite numbers, the lower first, is [1.0]"),
        (
            {"phase": (0.0, math.inf)},
            "phase: must be two finite numbers, the lower first, is (0.0, inf)",
        ),
        ({"noise": -1.0}, "noise: must be at least 0, is -1.0"),
        ({"noise": math.nan}, "noise: must be at least 0, is nan"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        Sinusoid(**options)
    assert str(caught.value) == message


def test_endless_tasks_are_no_stream():
    with pytest.raises(TlmlError, match=r"^Sinusoid has endless tasks"):
        Sinusoid().tasks("source")


def test_an_unknown_split_is_refused():
    message = "^split: 'train' is not one of source, validation, target$"
    with pytest.raises(TlmlError, match=message):
        Sinusoid().draw("train", np.random.default_rng(0))

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ExpSineSquared, Matern

import tlml
from tlml import TlmlError
from tlml.data import SPLITS, Task, draw_episode, keyed_rng
from tlml_synthetic.gaussian_processes import KERNELS, GaussianProcesses, ProcessDraw

REFERENCE = {
    "rbf": RBF(0.4),
    "matern": Matern(0.4, nu=2.5),
    "periodic": ExpSineSquared(0.4, periodicity=0.7),
}


def task(kernel: str, key: int = 0, **options) -> ProcessDraw:
    return ProcessDraw(kernel, **{"length": 0.4, "scale": 1.0, "period": 0.7, **options}, key=key)


def test_it_is_registered_with_its_defaults():
    domain = tlml.domain("gaussian_processes")
    assert isinstance(domain, GaussianProcesses)
    assert domain.options == {
        "kernel": "rbf",
        "length": (0.1, 0.6),
        "scale": (0.1, 1.0),
        "period": (0.1, 0.5),
        "dimension": 1,
        "interval": (-2.0, 2.0),
        "noise": 0.02,
        "features": 1024,
    }


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_covariance_is_that_of_scikit_learn(kernel):
    a, b = np.random.default_rng(0).uniform(-2, 2, (2, 9, 1))
    expected = 0.25 * REFERENCE[kernel](a, b)
    np.testing.assert_allclose(task(kernel, scale=0.5).covariance(a, b), expected, atol=1e-12)


@pytest.mark.parametrize("kernel", ["rbf", "matern"])
def test_the_covariance_of_several_inputs_is_that_of_scikit_learn(kernel):
    a, b = np.random.default_rng(0).uniform(-2, 2, (2, 9, 3))
    expected = REFERENCE[kernel](a, b)
    np.testing.assert_allclose(task(kernel, dimension=3).covariance(a, b), expected, atol=1e-12)


def test_the_periodic_covariance_of_several_inputs_is_the_product_over_them():
    a, b = np.random.default_rng(0).uniform(-2, 2, (2, 9, 2))
    expected = REFERENCE["periodic"](a[:, :1], b[:, :1]) * REFERENCE["periodic"](a[:, 1:], b[:, 1:])
    found = task("periodic", dimension=2).covariance(a, b)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_covariance_over_draws_is_the_kernels(kernel, dimension):
    number = 1500
    x = np.random.default_rng(5).uniform(-0.5, 0.5, (7, dimension))
    # Few features: over draws the covariance must be exact, however rough a single draw is.
    options = {"scale": 0.8, "dimension": dimension, "features": 32}
    draws = np.stack([task(kernel, key, **options).value(x)[:, 0] for key in range(number)])
    products = draws[:, :, None] * draws[:, None, :]
    error = products.std(0) / math.sqrt(number)
    expected = task(kernel, **options).covariance(x, x)
    # 28 different entries: beyond four standard errors once in 500 times.
    assert np.abs((products.mean(0) - expected) / error).max() < 4
    assert np.abs(draws.mean(0)).max() < 4 * 0.8 / math.sqrt(number)


@pytest.mark.parametrize("kernel", KERNELS)
def test_values_over_draws_are_normal(kernel):
    values = [task(kernel, key).value(np.array([[0.3]])).item() for key in range(1000)]
    assert stats.kstest(values, "norm").pvalue > 0.001


@pytest.mark.parametrize(("kernel", "error"), [("rbf", 0.01), ("matern", 0.06), ("periodic", 0.02)])
def test_one_draw_comes_near_the_kernel(kernel, error):
    # The page of the domain states these bounds, for the shortest length of the defaults.
    lags, zero = np.linspace(0, 4, 201)[:, None], np.zeros((1, 1))
    for key in range(10):
        one = task(kernel, key, length=0.1)
        found = np.cos(lags @ one.frequencies().T).mean(1)
        assert np.abs(found - one.covariance(lags, zero)[:, 0]).max() < error


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_exact_process_predicts_the_query_from_the_support(kernel):
    # Standardised errors of Gaussian process regression are standard normal only if support and
    # query are joint draws of the process that the task names.
    noise, standardised = 0.1, []
    for key in range(150):
        one = task(kernel, key, noise=noise)
        support, query = draw_episode(one, 8, 5, keyed_rng(0, "target", key))
        regressor = GaussianProcessRegressor(REFERENCE[kernel], alpha=noise**2, optimizer=None)
        regressor.fit(support.x.double().numpy(), support.y.double().numpy()[:, 0])
        mean, cov = regressor.predict(query.x.double().numpy(), return_cov=True)
        root = np.linalg.cholesky(cov + noise**2 * np.eye(5))
        standardised.append(np.linalg.solve(root, query.y.double().numpy()[:, 0] - mean))
    total = (np.array(standardised) ** 2).sum()
    assert 0.001 < stats.chi2(150 * 5).cdf(total) < 0.999


def test_two_samples_of_a_task_lie_on_one_function():
    one = task("rbf", key=3)
    first, second = (one.sample(300, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(first.x, second.x)
    # Each point of the one interpolates between its neighbours in the other.
    x, y = first.x[:, 0].double().numpy(), first.y[:, 0].double().numpy()
    order = np.argsort(x)
    inside = (second.x[:, 0] > x.min()) & (second.x[:, 0] < x.max())
    at = second.x[inside, 0].numpy()
    guess = np.interp(at, x[order], y[order])
    gaps = np.diff(x[order])[np.searchsorted(x[order], at) - 1]
    # Linear interpolation errs by at most gap²/8 · max |f''|, here about √3 · 4 / ℓ².
    bound = gaps**2 / 8 * math.sqrt(3) * 4 / 0.4**2 + 1e-5
    assert (np.abs(second.y[inside, 0].numpy() - guess) <= bound).all()
    other = task("rbf", key=4).sample(300, np.random.default_rng(2))
    assert torch.equal(other.x, second.x)
    assert (other.y - second.y).abs().max() > 0.5


def test_a_sample_is_a_function_of_the_task_and_the_generator():
    one = task("matern", key=3, noise=0.1, dimension=2)
    first, second = (one.sample(20, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.y, second.y)
    assert (first.x.shape, first.y.shape) == ((20, 2), (20, 1))
    assert first.x.dtype == first.y.dtype == torch.float32


def test_noise_has_the_given_deviation():
    n = 5000
    one = task("rbf", noise=0.3)
    x, y = one.sample(n, np.random.default_rng(0))
    rest = y.numpy() - one.value(x.numpy())
    assert rest.std() == pytest.approx(0.3, abs=5 * 0.3 / math.sqrt(2 * n))
    assert rest.mean() == pytest.approx(0, abs=5 * 0.3 / math.sqrt(n))


def test_lengths_scales_and_periods_are_uniform_in_their_ranges():
    domain = GaussianProcesses("periodic")
    drawn = [domain.draw("source", np.random.default_rng(seed)) for seed in range(2000)]
    for values, low, high in (
        ([one.length for one in drawn], 0.1, 0.6),
        ([one.scale for one in drawn], 0.1, 1.0),
        ([one.period for one in drawn], 0.1, 0.5),
    ):
        counts, _ = np.histogram(values, bins=10, range=(low, high))
        assert counts.sum() == 2000
        # A chi-squared value with 9 degrees of freedom is above 27.9 once in a thousand.
        assert ((counts - 200) ** 2 / 200).sum() < 27.9


@pytest.mark.parametrize("seed", range(5))
def test_splits_share_no_function_even_with_equal_generators(seed):
    domain = GaussianProcesses()
    drawn = [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert drawn == [domain.draw(split, np.random.default_rng(seed)) for split in SPLITS]
    assert len({one.key for one in drawn}) == len({one.length for one in drawn}) == 3


def test_options_reach_the_task():
    options = {"dimension": 3, "interval": (0.0, 1.0), "noise": 0.5, "features": 64}
    domain = GaussianProcesses("matern", length=(1, 1), scale=(2, 2), period=(3, 3), **options)
    one = domain.draw("source", keyed_rng(0, "source"))
    assert one == ProcessDraw("matern", 1.0, 2.0, one.key, period=3.0, **options)
    assert one.name == f"matern length 1.000 scale 2.000 #{one.key}"
    assert task("periodic").name == "periodic period 0.700 length 0.400 scale 1.000 #0"


def test_spaces_hold_what_is_drawn():
    domain = GaussianProcesses("periodic", dimension=2, interval=(1.0, 3.0))
    one = domain.draw("source", keyed_rng(0, "source"))
    x, y = one.sample(50, keyed_rng(1, "source"))
    assert isinstance(one, Task)
    assert all(domain.x.contains(value) for value in x.numpy())
    assert all(domain.y.contains(value) for value in y.numpy())


def test_domain_and_functions_pickle():
    domain = pickle.loads(pickle.dumps(GaussianProcesses("matern")))
    one = domain.draw("source", keyed_rng(0, "source"))
    assert one == GaussianProcesses("matern").draw("source", keyed_rng(0, "source"))
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "linear"}, "kernel: 'linear' is not one of rbf, matern, periodic"),
        (
            {"length": (0.6, 0.1)},
            "length: must be two finite numbers, the lower first, is (0.6, 0.1)",
        ),
        ({"length": (0.0, 0.1)}, "length: must be above 0, starts at 0.0"),
        ({"scale": (-1.0, 1.0)}, "scale: must be above 0, starts at -1.0"),
        ({"period": (0.0, 1.0)}, "period: must be above 0, starts at 0.0"),
        ({"interval": 2.0}, "interval: must be two finite numbers, the lower first, is 2.0"),
        ({"dimension": 0}, "dimension: must be greater than 0, is 0"),
        ({"noise": -0.1}, "noise: must be at least 0, is -0.1"),
        ({"features": 1000}, "features: must be a power of two, is 1000"),
        ({"features": 0}, "features: must be greater than 0, is 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        GaussianProcesses(**options)
    assert str(caught.value) == message

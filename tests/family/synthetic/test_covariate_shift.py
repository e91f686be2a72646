from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import kstest, multivariate_normal, norm
from sklearn.linear_model import LinearRegression, LogisticRegression

import tlml
from tlml import TlmlError
from tlml.data import SPLITS
from tlml_synthetic.covariate_shift import CovariateShift, CovariateShiftRegression

PARTS = ("train", "val", "test")
BOTH = pytest.mark.parametrize("kind", [CovariateShift, CovariateShiftRegression])


def data(domain, split, part="train"):
    (task,) = domain.tasks(split)
    return task.split(part)


def test_both_are_registered():
    assert isinstance(tlml.domain("covariate_shift"), CovariateShift)
    assert isinstance(tlml.domain("covariate_shift_regression"), CovariateShiftRegression)


@BOTH
@pytest.mark.parametrize("dimension", [2, 5])
def test_inputs_are_gaussians(kind, dimension):
    domain = kind(dimension=dimension, shift=1.2, width=0.7, size=40_000)
    for split, centre, width in zip(SPLITS, (0, 0.6, 1.2), (1, 0.7, 0.7), strict=True):
        x = data(domain, split).x
        assert (x.shape, x.dtype) == ((40_000, dimension), torch.float32)
        mean = np.array([centre] + [0] * (dimension - 1))
        deviation = np.array([width] + [1] * (dimension - 1))
        np.testing.assert_allclose(x.mean(0), mean, atol=0.025)
        np.testing.assert_allclose(np.cov(x.T.numpy()), np.diag(deviation**2), atol=0.035)


@BOTH
def test_the_ratio_is_that_of_the_densities(kind):
    domain = kind(dimension=3, shift=-0.8, width=0.6)
    x = data(domain, "source").x.double()
    source = multivariate_normal(np.zeros(3), np.eye(3))
    target = multivariate_normal([-0.8, 0, 0], np.diag([0.36, 1, 1]))
    expected = torch.from_numpy(target.pdf(x.numpy()) / source.pdf(x.numpy()))
    torch.testing.assert_close(domain.ratio(x), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(domain.ratio(x.float()).double(), expected, rtol=1e-4, atol=1e-12)


def test_weighted_means_over_the_source_are_those_of_the_target():
    domain = CovariateShiftRegression(shift=1.0, size=200_000)
    x = data(domain, "source").x
    weights = domain.ratio(x)
    assert weights.mean().item() == pytest.approx(1, abs=0.02)
    assert (weights * x[:, 0]).mean().item() == pytest.approx(1.0, abs=0.02)
    assert (weights * x[:, 0] ** 2).mean().item() == pytest.approx(1.25, abs=0.04)


def test_without_shift_all_weights_are_one():
    domain = CovariateShift(shift=0.0, width=1.0)
    assert torch.equal(domain.ratio(data(domain, "source").x), torch.ones(500))


@pytest.mark.parametrize("split", SPLITS)
def test_values_lie_on_one_curve(split):
    quiet, loud = (data(CovariateShiftRegression(noise=noise, size=4000), split)
                   for noise in (0.0, 0.25))  # fmt: skip
    z = math.pi * (1 + quiet.x.double() / 2)
    torch.testing.assert_close(quiet.y.double(), z.sin() / z, rtol=1e-4, atol=1e-6)
    assert torch.equal(quiet.x, loud.x)
    p = kstest((loud.y - quiet.y).flatten(), norm(0, 0.25).cdf).pvalue
    assert p > 0.01


@pytest.mark.parametrize("split", SPLITS)
def test_classes_lie_on_two_sides_of_one_curve(split):
    quiet, loud = (data(CovariateShift(noise=noise, size=4000), split) for noise in (0.0, 0.1))
    z = math.pi * (1 + quiet.x[:, 0].double() / 2)
    assert torch.equal(quiet.y, (quiet.x[:, 1] > 2 * z.sin() / z).long())
    assert torch.equal(quiet.x, loud.x)
    assert (quiet.y != loud.y).float().mean().item() == pytest.approx(0.1, abs=0.02)


def test_the_regression_is_the_example_of_sugiyama():
    domain = CovariateShiftRegression(size=40_000)
    for split, mean, deviation in (("source", 1, 1 / 2), ("target", 2, 1 / 4)):
        z = 1 + 0.5 * data(domain, split).x
        assert z.mean().item() == pytest.approx(mean, abs=0.01)
        assert z.std().item() == pytest.approx(deviation, rel=0.02)


def fitted(kind, seed, weighted):
    """Fit a linear model to the source, and return its error on the target's test part."""
    domain = kind(seed=seed)
    (x, y), (new, truth) = ((b.x.numpy(), b.y.numpy().ravel()) for b in
                            (data(domain, "source"), data(domain, "target", "test")))  # fmt: skip
    model = LogisticRegression() if domain.classes else LinearRegression()
    weights = domain.ratio(torch.from_numpy(x)).numpy() if weighted else None
    return np.square(model.fit(x, y, weights).predict(new) - truth).mean()


@BOTH
def test_weighting_mends_a_linear_model(kind):
    plain, weighted = (np.array([fitted(kind, seed, w) for seed in range(10)]) for w in (0, 1))
    assert (weighted < plain).all()
    assert weighted.mean() < plain.mean() / 2


@BOTH
def test_parts_share_nothing_and_have_their_sizes(kind):
    domain = kind(size=40)
    held = [data(domain, split, part) for split in SPLITS for part in PARTS]
    assert [len(part) for part in held] == [40, 10, 40] * 3
    rows = [tuple(row) for part in held for row in part.x.tolist()]
    assert len(set(rows)) == len(rows)
    for part in held:
        assert all(domain.x.contains(row) for row in part.x.numpy())
        assert all(domain.y.contains(label) for label in part.y.numpy())


@BOTH
def test_examples_are_a_function_of_the_seed(kind):
    one, again, other = (kind(seed=seed) for seed in (3, 3, 4))
    copied = pickle.loads(pickle.dumps(one))
    for domain in (again, copied):
        assert torch.equal(data(domain, "source").x, data(one, "source").x)
        assert torch.equal(data(domain, "target").y, data(one, "target").y)
    assert not torch.equal(data(other, "source").x, data(one, "source").x)


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size: must be greater than 0, is 0"),
        ({"width": 0.0}, "width: must be greater than 0, is 0.0"),
        ({"width": 1.5}, "width: must be at most 1, is 1.5; the ratio would have no bound"),
        ({"shift": math.inf}, "shift: must be a finite number, is inf"),
        ({"noise": -0.1}, "noise: must be at least 0, is -0.1"),
        ({"seed": -1}, "seed: must be at least 0, is -1"),
    ],
)
def test_bad_options_are_refused(kind, options, message):
    with pytest.raises(TlmlError) as caught:
        kind(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 0.5}, "noise: must be below 0.5, is 0.5; labels would say nothing"),
        (
            {"dimension": 1},
            "dimension: must be at least 2, is 1; the classes lie on two sides of a curve in the "
            "plane",
        ),
    ],
)
def test_bad_options_of_classes_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        CovariateShift(**options)
    assert str(caught.value) == message


def test_unknown_splits_and_parts_are_refused():
    domain = CovariateShift()
    with pytest.raises(
        TlmlError, match=r"^split: 'train' is not one of source, validation, target"
    ):
        domain.tasks("train")
    with pytest.raises(TlmlError, match=r"^part: 'source' is not one of train, val, test$"):
        domain.tasks("target")[0].split("source")

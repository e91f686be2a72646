"""MetaOptNet's support vector machine against liblinear, SciPy and finite differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml_maml import crammer_singer
from tlml_maml.crammer_singer import dual
from tlml_maml.metaoptnet import MetaOptNet, svm

# examples, ways, features, C: fewer and more examples than features, soft and hard margins
CASES = pytest.mark.parametrize(
    ("examples", "ways", "features", "c"),
    [(5, 5, 16, 0.1), (15, 3, 40, 0.1), (15, 5, 8, 1.0), (25, 5, 3, 10.0), (12, 3, 2, 0.1)],
)


def problem(examples: int, ways: int, features: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return features around a centre for each class, and one-hot labels."""
    rng = torch.Generator().manual_seed(examples + features)
    labels = torch.arange(examples) % ways
    centres = torch.randn(ways, features, generator=rng, dtype=torch.float64)
    noise = torch.randn(examples, features, generator=rng, dtype=torch.float64)
    return scale * (centres[labels] + noise), F.one_hot(labels, ways).double()


def duality_gap(x: Tensor, y: Tensor, c: float) -> float:
    """Return the gap of the primal to the dual objective, as a share of the primal at w = 0."""
    a = dual(x @ x.T, y, c)
    assert float(a.sum(1).abs().max()) <= 1e-12 * c
    assert float((a - c * y).max()) <= 0
    w = x.T @ a
    scores = x @ w
    slacks = (scores + 1 - y).amax(1) - (scores * y).sum(1)
    half = 0.5 * w.square().sum()
    best = (a * y).sum() - half
    return float((half + c * slacks.sum() - best) / (c * len(x)))


@CASES
def test_decision_values_are_those_of_liblinear(examples, ways, features, c):
    x, y = problem(examples, ways, features)
    reference = LinearSVC(
        C=c, multi_class="crammer_singer", fit_intercept=False, tol=1e-9, max_iter=200_000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may fall short of its tolerance
        reference.fit(x.numpy(), y.argmax(1).numpy())
    expected = torch.from_numpy(reference.decision_function(x.numpy()))
    torch.testing.assert_close(x @ svm(x, y, c), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("examples", "features", "c"), [(6, 10, 0.1), (9, 4, 1.0), (6, 2, 5.0)])
def test_the_dual_is_solved_as_scipy_solves_it(examples, features, c):
    ways = 3
    x, y = problem(examples, ways, features)
    kernel, labels = (x @ x.T).numpy(), y.numpy()

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        a = flat.reshape(examples, ways)
        return 0.5 * np.sum(a * (kernel @ a)) - np.sum(a * labels), (kernel @ a - labels).ravel()

    sums = LinearConstraint(np.kron(np.eye(examples), np.ones(ways)), 0, 0)
    bounds = [(None, upper) for upper in (c * labels).ravel()]
    found = minimize(
        objective, np.zeros(examples * ways), jac=True, bounds=bounds, constraints=[sums],
        method="SLSQP", options={"ftol": 1e-16, "maxiter": 1000},
    )  # fmt: skip
    a = dual(x @ x.T, y, c)
    assert objective(a.numpy().ravel())[0] <= found.fun + 1e-9
    expected = x @ (x.T @ torch.from_numpy(found.x.reshape(examples, ways)))
    torch.testing.assert_close(x @ svm(x, y, c), expected, rtol=0, atol=1e-6)


@CASES
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_the_optimum_is_certified_by_the_duality_gap(examples, ways, features, c, scale):
    assert abs(duality_gap(*problem(examples, ways, features, scale), c)) < 1e-11


def test_twenty_ways_of_five_shots_are_solved():
    assert abs(duality_gap(*problem(100, 20, 64), 0.1)) < 1e-11


@pytest.mark.parametrize(
    ("examples", "ways", "features", "c"),
    [(5, 5, 6, 0.1), (9, 3, 12, 0.1), (10, 5, 3, 10.0), (12, 3, 2, 0.1)],
)
def test_gradients_equal_finite_differences(examples, ways, features, c):
    x, y = problem(examples, ways, features)
    rng = torch.Generator().manual_seed(0)
    query = torch.randn(1, features, generator=rng, dtype=torch.float64)
    learner = tlml.learner("metaoptnet", network=nn.Identity(), c=c).double()
    labels = y.argmax(1)

    def scores(support: Tensor, query: Tensor, scale: Tensor) -> Tensor:
        return scale * learner.class_scores(support, labels, query, ways)

    scale = torch.tensor(1.7, dtype=torch.float64)
    inputs = [value.requires_grad_() for value in (x, query, scale)]
    assert torch.autograd.gradcheck(scores, inputs, atol=1e-6, rtol=1e-4, nondet_tol=0)


def test_the_scale_multiplies_the_scores_and_is_learned():
    x, y = problem(6, 3, 4)
    learner = tlml.learner("metaoptnet", network=nn.Identity(), scale=2.5).double()
    assert isinstance(learner, MetaOptNet)
    scores = learner.class_scores(x, y.argmax(1), x, 3)
    torch.testing.assert_close(scores, 2.5 * x @ svm(x, y, 0.1))
    scores.square().sum().backward()
    expected = 2 * scores.detach().square().sum() / 2.5
    torch.testing.assert_close(learner.scale.grad, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_less_precision_are_solved_in_float64(dtype):
    x, y = problem(15, 3, 8)
    x = x.to(dtype)
    learner = tlml.learner("metaoptnet", network=nn.Identity())
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        scores = learner.class_scores(x, y.argmax(1), x, 3)
    assert scores.dtype == dtype
    torch.testing.assert_close(scores, (x.double() @ svm(x.double(), y, 0.1)).to(dtype))


def test_equal_examples_share_one_gradient():
    x, y = problem(9, 3, 4)
    x[3] = x[0]  # of one class: their coefficients are not unique, the weights are
    x.requires_grad_()
    svm(x, y, 0.1).square().sum().backward()
    assert x.grad is not None
    once, twice = x.grad[0], x.grad[3]
    torch.testing.assert_close(once, twice, rtol=1e-5, atol=1e-8)
    assert float(once.abs().max()) > 1e-3


def test_features_that_are_all_zero_give_weights_of_zero():
    y = problem(6, 3, 4)[1]
    x = torch.zeros(6, 4, dtype=torch.float64, requires_grad=True)
    weights = svm(x, y, 0.1)
    weights.sum().backward()
    assert not weights.any()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(value):
    x, y = problem(6, 3, 4)
    x[2, 1] = value
    with pytest.raises(tlml.TlmlError) as caught:
        svm(x, y, 0.1)
    assert str(caught.value) == (
        "metaoptnet: features of the support are NaN or infinite; training diverged, lower lr"
    )


def test_an_optimum_that_is_not_reached_is_an_error(monkeypatch):
    monkeypatch.setattr(crammer_singer, "_STEPS", 2)
    with pytest.raises(tlml.TlmlError) as caught:
        svm(*problem(15, 3, 8), 0.1)
    message = str(caught.value)
    assert message.startswith("metaoptnet: its support vector machine is not solved after 2 steps")
    assert message.endswith("lower c, or normalise the features")


@pytest.mark.parametrize("option", ["c", "scale"])
def test_what_must_be_positive_is(option):
    with pytest.raises(tlml.TlmlError, match=f"{option}: must be greater than 0, is 0"):
        tlml.learner("metaoptnet", network=nn.Identity(), **{option: 0})

"""R2-D2's ridge regression against scikit-learn and finite differences, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml_maml.r2d2 import R2D2, ridge

WAYS = 3
SIZES = pytest.mark.parametrize(("examples", "features"), [(6, 11), (11, 6), (6, 6)])


def problem(examples: int, features: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return support features, labels and query features."""
    rng = torch.Generator().manual_seed(examples)
    support = torch.randn(examples, features, generator=rng, dtype=torch.float64)
    query = torch.randn(4, features, generator=rng, dtype=torch.float64)
    return support, torch.arange(examples) % WAYS, query


def head(**options) -> R2D2:
    learner = tlml.learner("r2d2", network=nn.Identity(), **options)
    assert isinstance(learner, R2D2)
    return learner.double()


@SIZES
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
def test_the_weights_are_those_of_scikit_learn(examples, features, penalty):
    support, labels, _ = problem(examples, features)
    targets = F.one_hot(labels, WAYS).double()
    found = ridge(support, targets, torch.tensor(penalty, dtype=torch.float64))
    reference = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(support, targets)
    torch.testing.assert_close(found, torch.from_numpy(reference.coef_.T), rtol=1e-8, atol=1e-10)


@SIZES
@pytest.mark.parametrize("intercept", [True, False])
def test_the_scores_are_scaled_and_shifted_predictions(examples, features, intercept):
    support, labels, query = problem(examples, features)
    learner = head(penalty=0.7, scale=3.0, shift=-0.5, intercept=intercept)
    scores = learner.class_scores(support, labels, query, WAYS)
    known, asked = support.numpy(), query.numpy()
    if intercept:  # penalised as the other weights are
        known, asked = (np.c_[x, np.ones(len(x))] for x in (known, asked))
    reference = Ridge(alpha=0.7 * examples, fit_intercept=False)
    reference.fit(known, F.one_hot(labels, WAYS).double())
    expected = torch.from_numpy(3.0 * reference.predict(asked) - 0.5)
    # The first value of the penalty is kept as a float32.
    torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-7)


@SIZES
def test_gradients_equal_finite_differences(examples, features):
    support, labels, query = problem(examples, features)
    learner = head()

    def scores(support: Tensor, query: Tensor, *learned: Tensor) -> Tensor:
        names = ("log_penalty", "scale", "shift")
        held = torch.func.functional_call(
            _Held(learner), dict(zip([f"learner.{name}" for name in names], learned, strict=True)),
            (support, labels, query),
        )  # fmt: skip
        assert isinstance(held, Tensor)
        return held

    values = [torch.tensor(value, dtype=torch.float64) for value in (-0.3, 2.0, 0.5)]
    inputs = [value.requires_grad_() for value in (support, query, *values)]
    assert torch.autograd.gradcheck(scores, inputs)


class _Held(nn.Module):
    def __init__(self, learner: R2D2) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        return self.learner.class_scores(support, labels, query, WAYS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_less_precision_are_solved_in_float64(dtype):
    support, labels, query = (value.to(dtype) if value.is_floating_point() else value
                              for value in problem(6, 11))  # fmt: skip
    learner = head()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        scores = learner.class_scores(support, labels, query, WAYS)
    assert scores.dtype == dtype
    exact = learner.class_scores(support.double(), labels, query.double(), WAYS)
    torch.testing.assert_close(scores, exact.to(dtype))


def test_the_penalty_stays_positive_when_it_is_pushed_down():
    learner = head(penalty=1e-2)
    optimizer = torch.optim.SGD([learner.log_penalty], lr=10.0)
    support, labels, query = problem(6, 11)
    for _ in range(5):
        optimizer.zero_grad()
        (-learner.class_scores(support, labels, query, WAYS).square().sum()).backward()
        optimizer.step()
    assert 0 < learner.log_penalty.exp() < 1e-2


@pytest.mark.parametrize("option", ["penalty", "scale"])
def test_what_must_be_positive_is(option):
    with pytest.raises(tlml.TlmlError, match=f"{option}: must be greater than 0, is -1"):
        head(**{option: -1})

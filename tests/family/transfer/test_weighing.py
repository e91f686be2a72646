"""Weights of source examples, against independent solvers and the true ratio of densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import stops
from scipy.optimize import LinearConstraint, linprog, minimize
from scipy.spatial.distance import cdist
from torch import Tensor
from weighing import effective_size

import tlml
from tlml import Batch, Strategy
from tlml.registry import default_registry
from tlml.strategies import effective_sample_size, weigh_source
from tlml_transfer.weigh.distances import squared_distances
from tlml_transfer.weigh.interior_point import minimum

BY_INPUTS = ("kmm", "kliep", "domain_classifier")
WEIGHING = (*BY_INPUTS, "balanced")


def sides(n: int = 40, m: int = 30, d: int = 2, shift: float = 0.7) -> tuple[Tensor, Tensor]:
    """Return N(0, 1) and N(shift, 0.7²) in each of d dimensions."""
    rng = np.random.default_rng([n, m, d])
    source, target = rng.normal(size=(n, d)), shift + 0.7 * rng.normal(size=(m, d))
    return torch.from_numpy(source), torch.from_numpy(target)


def true_ratio(x: Tensor, shift: float = 0.7) -> np.ndarray:
    rows = x.numpy()
    log = rows**2 / 2 - (rows - shift) ** 2 / (2 * 0.7**2) - np.log(0.7)
    return np.exp(log.sum(1))


@pytest.mark.parametrize("name", WEIGHING)
def test_it_goes_with_learners_that_weigh(name: str) -> None:
    assert default_registry().partners("strategy", name)["learner"] == ["estimator", "supervised"]
    assert default_registry().spec("strategy", name).approach == "instance-transfer"


# Kernel mean matching


def program(
    source: Tensor, target: Tensor, gamma: float, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return K and κ, entry by entry."""

    def kernel(a: Tensor, b: Tensor) -> float:
        return float(torch.exp(-gamma * ((a - b) ** 2).sum()))

    n = len(source)
    matrix = np.array([[kernel(a, b) for b in source] for a in source]) + ridge * np.eye(n)
    return matrix, np.array([n * np.mean([kernel(a, b) for b in target]) for a in source])


@pytest.mark.parametrize(
    ("bound", "eps", "ridge"), [(10.0, None, 1e-8), (2.0, 0.05, 1e-3), (1000.0, 0.3, 0.0)]
)
def test_kmm_reaches_the_minimum_of_another_solver(
    bound: float, eps: float | None, ridge: float
) -> None:
    source, target = sides()
    strategy = tlml.strategy("kmm", gamma=0.4, bound=bound, eps=eps, ridge=ridge)
    weights = strategy.weigh_samples(source, target).numpy()
    matrix, kappa = program(source, target, 0.4, ridge)
    n = len(source)
    slack = (np.sqrt(n) - 1) / np.sqrt(n) if eps is None else eps
    assert weights.min() >= 0
    assert weights.max() <= bound
    assert abs(weights.mean() - 1) <= slack + 1e-12

    def value(w: np.ndarray) -> float:
        return float(w @ matrix @ w / 2 - kappa @ w)

    other = minimize(
        value, np.ones(n), jac=lambda w: matrix @ w - kappa, method="SLSQP",
        bounds=[(0, bound)] * n, options={"ftol": 1e-12, "maxiter": 1000},
        constraints=LinearConstraint(np.ones((1, n)), n * (1 - slack), n * (1 + slack)),
    )  # fmt: skip
    assert other.success
    assert value(weights) <= other.fun + 1e-6
    assert gap(matrix @ weights - kappa, weights, bound, slack) < 1e-6


def gap(slope: np.ndarray, weights: np.ndarray, bound: float, slack: float) -> float:
    """Return the most that the value can be above the minimum, as it is convex."""
    n, ones = len(weights), np.ones((1, len(weights)))
    least = linprog(
        slope, A_ub=np.concatenate([ones, -ones]), b_ub=[n * (1 + slack), -n * (1 - slack)],
        bounds=[(0, bound)] * n,
    )  # fmt: skip
    return float(slope @ weights - least.fun)


@pytest.mark.parametrize(("d", "bound"), [(1, 10.0), (20, 1000.0)])
def test_kmms_minimum_is_certified_where_other_solvers_are_slow(d: int, bound: float) -> None:
    source, target = sides(400, 200, d)
    weights = tlml.strategy("kmm", bound=bound).weigh_samples(source, target).numpy()
    across = cdist(source, target, "sqeuclidean")
    gamma, n = 1 / np.median(across), len(source)
    slope = np.exp(-gamma * cdist(source, source, "sqeuclidean")) @ weights + 1e-8 * weights
    slope -= n * np.exp(-gamma * across).mean(1)
    assert gap(slope, weights, bound, 1 - 1 / np.sqrt(n)) < 1e-6


def test_what_rounding_leaves_unsolved_is_said() -> None:
    matrix, kappa = program(*sides(), gamma=0.4, ridge=0.0)
    with stops("ridge: the quadratic program is solved to ") as caught:
        minimum(matrix, kappa, 10.0, (20.0, 60.0), tolerance=1e-25)
    assert str(caught.value).endswith(
        "of its value only, by rounding; raise ridge, which is added to the kernel's diagonal"
    )


def test_kmm_brings_the_weighted_mean_of_the_source_to_the_targets() -> None:
    source, target = sides(300, 300)
    weights = tlml.strategy("kmm").weigh_samples(source, target)
    weighted = (weights[:, None] * source).sum(0) / weights.sum()
    assert (weighted - target.mean(0)).norm() < 0.1 * (source.mean(0) - target.mean(0)).norm()


@given(
    st.integers(0, 2**31), st.integers(1, 40), st.sampled_from([0.0, 1e3, 1e6, 1e9]),
    st.sampled_from([0.0, 1.0, 1e5]),
)  # fmt: skip
def test_distances_are_exact_far_from_the_origin_and_between_far_clusters(
    seed: int, d: int, away: float, apart: float
) -> None:
    rng = np.random.default_rng(seed)
    a = away + rng.normal(size=(30, d)) + apart * rng.integers(0, 2, size=(30, 1))
    b = np.concatenate([a[:5], away + rng.normal(size=(20, d))])
    for one, other in ((a, b), (a, a)):
        found, exact = squared_distances(one, other, 1e-12), cdist(one, other, "sqeuclidean")
        assert np.abs(found - exact).max() <= 1e-12 * exact.mean()
        assert (found[exact == 0] == 0).all()


# KLIEP


def test_kliep_reaches_the_maximum_of_another_solver() -> None:
    source, target = sides(60, 25)
    strategy = tlml.strategy("kliep", widths=[0.6], centres=25)
    weights = strategy.weigh_samples(source, target).numpy()
    scale = np.median(cdist(source, target, "sqeuclidean"))
    assert strategy.width == pytest.approx(0.6 * np.sqrt(scale))

    def kernel(x: Tensor) -> np.ndarray:
        return np.exp(-cdist(x, target, "sqeuclidean") / (2 * 0.36 * scale))

    on_source, on_target = kernel(source), kernel(target)

    def loss(alpha: np.ndarray) -> float:
        return -float(np.log(on_target @ alpha).mean())

    # In the paper's own α, of which a mean ratio of 1 is a linear constraint.
    other = minimize(
        loss, np.full(25, 1 / on_source.mean(0).sum()), method="trust-constr",
        jac=lambda alpha: -(on_target / (on_target @ alpha)[:, None]).mean(0),
        bounds=[(0, None)] * 25, options={"gtol": 1e-9, "xtol": 1e-12, "maxiter": 3000},
        constraints=LinearConstraint(on_source.mean(0)[None], 1, 1),
    )  # fmt: skip
    assert weights.mean() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(weights, on_source @ other.x, rtol=1e-3, atol=2e-3)
    alpha, *_ = np.linalg.lstsq(on_source, weights, rcond=None)
    assert loss(alpha) <= other.fun + 1e-6


def test_kliep_chooses_the_width_of_the_best_ratio_on_what_was_held_out() -> None:
    source, target = sides(80, 40)
    strategy = tlml.strategy("kliep", widths=[0.05, 0.5, 20.0], folds=4, seed=3)
    strategy.weigh_samples(source, target)
    order = np.random.default_rng(3).permutation(40)
    scale = np.median(cdist(source, target, "sqeuclidean"))
    scores = {}
    for width in strategy.widths:
        found = []
        for part in np.array_split(order, 4):
            known = np.setdiff1d(order, part)
            one = tlml.strategy("kliep", widths=[width], centres=40)
            # Held-out examples stay among the centres, as in the paper; they enter no fit.
            ratio = em(source, target[known], target, one.widths[0] ** 2 * scale)
            found.append(np.log(ratio(target[part])))
        scores[width] = np.concatenate(found).mean()
    best = max(scores, key=lambda width: scores[width])
    assert best == 0.5
    assert strategy.width == pytest.approx(best * np.sqrt(scale))


def em(source: Tensor, target: Tensor, centres: Tensor, square: float) -> Any:
    """Fit the ratio by expectation and maximisation, as the shares of a mixture."""

    def kernel(x: Tensor) -> np.ndarray:
        return np.exp(-cdist(x, centres, "sqeuclidean") / (2 * square))

    means = kernel(source).mean(0)
    values, pi = kernel(target) / means, np.full(len(centres), 1 / len(centres))
    for _ in range(300):
        pi = pi * (values / (values @ pi)[:, None]).mean(0)
    return lambda x: kernel(x) / means @ pi


def test_kliep_stands_sides_that_are_far_from_each_other() -> None:
    source, target = sides()
    weights = tlml.strategy("kliep", widths=[0.01]).weigh_samples(source, target + 100)
    assert weights.mean() == pytest.approx(1)


# A classifier of the domains


@pytest.mark.parametrize("folds", [0, 5])
def test_the_odds_of_a_classifier_are_the_ratio_of_normal_densities(folds: int) -> None:
    source, target = sides(20_000, 10_000)
    strategy = tlml.strategy("domain_classifier", degree=2, penalty=1e-3, folds=folds)
    weights, expected = strategy.weigh_samples(source, target).numpy(), true_ratio(source)
    assert np.corrcoef(weights, expected)[0, 1] > 0.99
    assert np.abs(weights - expected).mean() < 0.05
    assert weights.mean() == pytest.approx(1, abs=0.02)  # whatever the sizes of the sides
    assert strategy.effective_sample_size == pytest.approx(effective_size(expected), rel=0.1)


def test_a_linear_classifier_is_right_for_equal_covariances_only() -> None:
    source, target = sides(20_000, 20_000)
    linear = tlml.strategy("domain_classifier").weigh_samples(source, target).numpy()
    moved = tlml.strategy("domain_classifier").weigh_samples(source, source.flip(0) + 0.5).numpy()
    assert np.corrcoef(linear, true_ratio(source))[0, 1] < 0.9
    expected = np.exp((source.numpy() * 0.5 - 0.125).sum(1))
    np.testing.assert_allclose(moved, expected, rtol=0.1)


def test_a_classifiers_weights_are_those_of_the_parts_it_has_not_seen() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    source, target = sides(20, 10)
    strategy = tlml.strategy("domain_classifier", folds=2, seed=4, penalty=0.5)
    weights = strategy.weigh_samples(source, target).numpy()
    x, y = torch.cat([source, target]).numpy(), np.arange(30) >= 20
    expected = np.zeros(30)
    for known, held in StratifiedKFold(2, shuffle=True, random_state=4).split(x, y):
        mean, spread = x[known].mean(0), x[known].std(0)
        model = LogisticRegression(C=2, tol=1e-10).fit((x[known] - mean) / spread, y[known])
        share = model.predict_proba((x[held] - mean) / spread)
        expected[held] = share[:, 1] / share[:, 0] * 20 / 10
    np.testing.assert_allclose(weights, expected[:20], rtol=1e-3)


def test_weights_are_clipped() -> None:
    source, target = sides()
    free = tlml.strategy("domain_classifier").weigh_samples(source, target)
    found = tlml.strategy("domain_classifier", clip=1.5).weigh_samples(source, target)
    assert free.max() > 1.5
    torch.testing.assert_close(found, free.clamp(max=1.5))


# Classes


def test_balanced_classes_count_equally_and_all_examples_stay() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [4])
    strategy = tlml.strategy("balanced")
    weights = strategy.weigh_samples(torch.zeros(10, 2), torch.zeros(0, 2), source_y=labels)
    assert weights.tolist() == pytest.approx([10 / 18] * 6 + [10 / 9] * 3 + [10 / 3])
    assert strategy.effective_sample_size == pytest.approx(9 / (1 / 6 + 1 / 3 + 1))


def test_intervals_of_values_are_classes() -> None:
    values = torch.tensor([[0.0, 5], [0.1, 5], [0.4, 5], [1.0, 5]], dtype=torch.float64)
    strategy = tlml.strategy("balanced", bins=2)
    for y in (values, values[:, 0]):
        weights = strategy.weigh_samples(values, values, source_y=y)
        assert weights.tolist() == pytest.approx([2 / 3] * 3 + [2.0])
    apart = values + torch.tensor([[0, 0], [0, 0], [0, 9], [0, 0]])
    weights = strategy.weigh_samples(values, values, source_y=apart)
    assert weights.tolist() == pytest.approx([2 / 3] * 2 + [4 / 3] * 2)


def test_one_class_is_balanced_as_it_is() -> None:
    weights = tlml.strategy("balanced").weigh_samples(
        torch.zeros(3, 1), torch.zeros(0, 1), source_y=torch.ones(3, dtype=torch.int64)
    )
    assert weights.tolist() == [1.0] * 3


# What all have in common


@pytest.mark.parametrize("name", WEIGHING)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_weights_are_of_the_inputs_type_and_say_how_much_they_tell(
    name: str, kind: torch.dtype
) -> None:
    source, target = (side.to(kind).reshape(len(side), 1, 2, 2) for side in sides(d=4))
    strategy, y = tlml.strategy(name), torch.arange(len(source)) % 7
    weights = weigh_source(strategy, Batch(source, y), target)
    assert weights is not None
    assert (weights.dtype, weights.shape) == (kind, (len(source),))
    expected = effective_size(weights.double().numpy())
    assert strategy.effective_sample_size == pytest.approx(expected, rel=1e-6)
    assert 1 < expected < len(source)


@pytest.mark.parametrize("name", BY_INPUTS)
def test_weights_are_those_of_an_equal_strategy_in_any_order(name: str) -> None:
    source, target = sides()
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
    one, other = (tlml.strategy(name).weigh_samples(s, target) for s in (source, source[order]))
    torch.testing.assert_close(one[order], other, rtol=1e-3, atol=1e-4)


def test_the_effective_sample_size_is_kishs() -> None:
    assert effective_sample_size(torch.ones(5)) == 5
    assert effective_sample_size(torch.tensor([1.0, 3.0])) == pytest.approx(1.6)
    assert effective_sample_size(torch.tensor([2e-30, 2e-30, 0.0])) == pytest.approx(2)


@pytest.mark.parametrize("name", BY_INPUTS)
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    source, target = sides()
    weigh = tlml.strategy(name).weigh_samples
    with stops(
        f"{name}: needs at least 2 target inputs, there are 1; views give those of the target "
        "with unlabelled=True"
    ):
        weigh(source, target[:1])
    with stops(f"{name}: source inputs have 2 dimensions, target inputs 1"):
        weigh(source, target[:, :1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", BY_INPUTS)
def test_inputs_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    weigh = tlml.strategy(name).weigh_samples
    for side, number in (("source", 0), ("target", 1)):
        both = [own.clone() for own in sides()]
        both[number][3, 0] = bad
        with stops(f"{name}: {side} inputs hold NaN or infinity; leave such rows out"):
            weigh(*both)


def test_targets_that_are_no_numbers_are_refused() -> None:
    x, y = torch.zeros(4, 1), torch.tensor([[0.0], [float("nan")], [1.0], [2.0]])
    with stops("balanced: source targets hold NaN or infinity; leave such rows out"):
        tlml.strategy("balanced").weigh_samples(x, x, y)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e8])
def test_kernel_means_are_matched_as_well_far_from_the_origin(offset: float) -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(80, 3)), rng.normal(0.5, 1, (60, 3))
    # What the offset rounds off, it rounds off both.
    source, target = (side + offset - offset for side in (source, target))
    near, far = (
        tlml.strategy("kmm").weigh_samples(
            torch.from_numpy(source + by), torch.from_numpy(target + by)
        )
        for by in (0.0, offset)
    )
    torch.testing.assert_close(far, near, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "option"), [("kmm", "gamma"), ("kliep", "other inputs")])
def test_constant_inputs_have_no_scale(name: str, option: str) -> None:
    with stops(
        f"{name}: more than half of the inputs are equal, so that they have no scale; set {option}"
    ):
        tlml.strategy(name).weigh_samples(torch.ones(4, 2), torch.ones(3, 2))
    row = torch.rand(16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with stops(f"{name}: more than half of the inputs are equal"):
        tlml.strategy(name).weigh_samples(row.expand(9, 16), row.expand(7, 16))


@pytest.mark.parametrize(("name", "options"), [("kmm", {"gamma": 1.0}), ("domain_classifier", {})])
def test_of_constant_inputs_all_weigh_the_same(name: str, options: Any) -> None:
    weights = tlml.strategy(name, **options).weigh_samples(torch.ones(4, 2), torch.ones(3, 2))
    torch.testing.assert_close(weights, torch.ones(4), atol=1e-5, rtol=0)


def test_balancing_needs_labels() -> None:
    with stops("balanced: weighs by labels; pass source_y, one for each source input"):
        tlml.strategy("balanced").weigh_samples(torch.ones(4, 2), torch.ones(3, 2))


def test_more_folds_than_inputs_are_refused() -> None:
    with stops("folds=5, but a side has only 3 inputs"):
        tlml.strategy("domain_classifier", folds=5).weigh_samples(*sides(9, 3))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kmm", {"gamma": 0}, "gamma: must be greater than 0, is 0"),
        ("kmm", {"bound": 1}, "bound: must be greater than 1, the mean weight, is 1"),
        ("kmm", {"eps": 0.0}, "eps: must be greater than 0, is 0.0"),
        ("kmm", {"ridge": -1}, "ridge: must be at least 0, is -1"),
        ("kliep", {"widths": []}, "widths: must not be empty"),
        ("kliep", {"widths": [1, 0]}, "widths: must be greater than 0, is 0"),
        ("kliep", {"centres": 0}, "centres: must be greater than 0, is 0"),
        ("kliep", {"folds": 1}, "folds: must be at least 2, is 1"),
        ("kliep", {"seed": -1}, "seed: must be at least 0, is -1"),
        ("domain_classifier", {"degree": 3}, "degree: must be 1 or 2, is 3"),
        ("domain_classifier", {"every": "step"}, "every: 'step' is not one of fit, epoch"),
        ("domain_classifier", {"penalty": 0}, "penalty: must be greater than 0, is 0"),
        ("domain_classifier", {"folds": 1}, "folds: must be 0 or at least 2, is 1"),
        ("domain_classifier", {"clip": 0}, "clip: must be greater than 0, is 0"),
        ("domain_classifier", {"seed": -1}, "seed: must be at least 0, is -1"),
        ("balanced", {"bins": 0}, "bins: must be greater than 0, is 0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)


class Nothing(Strategy):
    """Weighs nothing at all."""

    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        return torch.zeros(len(source_x))


def test_weights_that_are_all_zero_leave_nothing_to_learn_from() -> None:
    with stops(
        "strategy Nothing: all 4 weights are 0, so that there is no source example to learn from"
    ):
        weigh_source(Nothing(), Batch(torch.ones(4, 2), torch.ones(4)), torch.ones(3, 2))

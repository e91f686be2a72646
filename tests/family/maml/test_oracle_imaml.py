"""iMAML against the implicit gradient in closed form, in float64."""

from __future__ import annotations

import pytest
import torch
from family_oracles import check_equal, episode, made, slopes_of
from inner_loops import PROBLEMS
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode
from tlml_maml.implicit import conjugate_gradients


class Quadratic:
    """Least squares by a linear map W [2, 4] without bias: all of iMAML in closed form."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(2)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=rng, dtype=torch.float64)

        self.weight = draw(2, 4)
        self.support, self.query = (Batch(draw(3, n, 4), draw(3, n, 2)) for n in (5, 6))
        self.strength = 0.7

    def network(self) -> nn.Module:
        """Return the map as a network."""
        network = nn.Linear(4, 2, bias=False).double()
        network.weight.data = self.weight.clone()
        return network

    def hessian(self, task: int) -> Tensor:
        """Return the Hessian of the mean squared error by one row of W; rows don't meet."""
        x = self.support.x[task]
        return 2 * x.T @ x / self.support.y[task].numel()

    def minimum(self, task: int) -> Tensor:
        """Return the minimum of L(φ) + λ/2 ‖φ − θ‖²."""
        x, y = self.support.x[task], self.support.y[task]
        left = self.hessian(task) + self.strength * torch.eye(4, dtype=torch.float64)
        right = 2 * x.T @ y / y.numel() + self.strength * self.weight.T
        return torch.linalg.solve(left, right).T

    def meta_gradient(self, task: int, at: Tensor) -> Tensor:
        """Return (I + H/λ)⁻¹ ∇L_query(φ)."""
        x, y = self.query.x[task], self.query.y[task]
        slope = 2 * (x @ at.T - y).T @ x / y.numel()
        left = torch.eye(4, dtype=torch.float64) + self.hessian(task) / self.strength
        return torch.linalg.solve(left, slope.T).T


def test_imaml_equals_the_implicit_gradient_of_a_quadratic_in_closed_form():
    problem = Quadratic()
    inner = tlml.strategy("implicit", lr=0.3, steps=200, regularisation=0.7, cg_steps=8)
    learner = made("imaml", problem.network(), strategy=inner)
    loss, found = slopes_of(learner, Episode(problem.support, problem.query))
    minima = [problem.minimum(task) for task in range(3)]
    slopes = [problem.meta_gradient(task, at) for task, at in enumerate(minima)]
    check_equal(found, {"weight": sum(slopes) / 3}, 1e-9)
    parts = zip(minima, problem.query.x, problem.query.y, strict=True)
    expected = [((x @ at.T - y) ** 2).mean() for at, x, y in parts]
    torch.testing.assert_close(loss, torch.stack(expected).mean(), rtol=1e-10, atol=0)


def test_imaml_takes_the_implicit_gradient_also_where_the_steps_end_early():
    problem = Quadratic()
    inner = tlml.strategy("implicit", lr=0.1, steps=2, regularisation=0.7, cg_steps=8)
    _, found = slopes_of(
        made("imaml", problem.network(), strategy=inner), Episode(problem.support, problem.query)
    )
    expected = torch.zeros(2, 4, dtype=torch.float64)
    for task in range(3):
        x, y, at = problem.support.x[task], problem.support.y[task], problem.weight
        for _ in range(2):
            slope = 2 * (x @ at.T - y).T @ x / y.numel()
            at = at - 0.1 * (slope + 0.7 * (at - problem.weight))
        expected += problem.meta_gradient(task, at) / 3
    check_equal(found, {"weight": expected}, 1e-10)


def test_imaml_without_second_derivatives_hands_the_query_gradient_through():
    problem = Quadratic()
    inner = tlml.strategy("implicit", lr=0.3, steps=200, regularisation=0.7)
    learner = made("imaml", problem.network(), strategy=inner, first_order=True)
    _, found = slopes_of(learner, Episode(problem.support, problem.query))
    expected = torch.zeros(2, 4, dtype=torch.float64)
    for task in range(3):
        x, y, at = problem.query.x[task], problem.query.y[task], problem.minimum(task)
        expected += 2 * (x @ at.T - y).T @ x / y.numel() / 3
    check_equal(found, {"weight": expected}, 1e-9)


@pytest.mark.parametrize(("kind", "strength"), [("perceptron", 4.0), ("convnet", 30.0)])
def test_imaml_equals_finite_differences_of_the_regularised_minimum(kind, strength):
    def learner() -> tlml.GradientLearner:
        inner = tlml.strategy(
            "implicit", lr=0.6 / strength, steps=60, regularisation=strength, cg_steps=60,
            tolerance=1e-12,
        )  # fmt: skip
        return made("imaml", PROBLEMS[kind].network(), strategy=inner)

    _, found = slopes_of(learner(), episode(kind))
    rng = torch.Generator().manual_seed(1)
    ways = {n: torch.randn(p.shape, generator=rng, dtype=p.dtype) / 6 for n, p in found.items()}

    def value(size: float) -> float:
        moved = learner()
        with torch.no_grad():
            for name, parameter in moved.built().named_parameters():
                parameter += size * ways[name]
            return float(moved.meta_loss(episode(kind)))

    h = 1e-3
    near, far = value(h) - value(-h), value(2 * h) - value(-2 * h)
    expected = sum(float((found[name] * ways[name]).sum()) for name in found)
    assert (8 * near - far) / (12 * h) == pytest.approx(expected, rel=1e-7)


def test_conjugate_gradients_solve_and_stop():
    rng = torch.Generator().manual_seed(4)
    root = torch.randn(6, 6, generator=rng, dtype=torch.float64)
    matrix, right = root @ root.T + torch.eye(6), torch.randn(6, generator=rng).double()
    products = []

    def product(vector: Tensor) -> Tensor:
        products.append(vector)
        return matrix @ vector

    exact = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(conjugate_gradients(product, right, 20, 1e-12), exact)
    assert len(products) <= 8
    rough = conjugate_gradients(product, right, 20, 0.3)
    assert (matrix @ rough - right).norm() <= 0.3 * right.norm()
    assert not torch.allclose(rough, exact)
    # A direction of no positive curvature ends it with what was found.
    assert torch.equal(conjugate_gradients(lambda v: -v, right, 5, 1e-9), torch.zeros(6).double())

"""ANIL, BOIL, Reptile, iMAML and MAML++ against their definitions, in float64."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from inner_loops import PROBLEMS, Rule, Values, differentiated, outer_loss
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode
from tlml_maml.implicit import conjugate_gradients

KINDS = pytest.mark.parametrize("kind", PROBLEMS)
ORDERS = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
PATHS = pytest.mark.parametrize("path", ["loop", "vmap", "auto"])
RATE = 0.15


def episode(kind: str) -> Episode:
    sx, sy, qx, qy = PROBLEMS[kind].tasks()
    return Episode(Batch(sx, sy), Batch(qx, qy))


def made(name: str, network: nn.Module, **options) -> tlml.GradientLearner:
    learner = tlml.learner(name, network=network, **options)
    assert isinstance(learner, tlml.GradientLearner)
    return learner


def slopes_of(learner: tlml.GradientLearner, data: Episode) -> tuple[Tensor, Values]:
    loss = learner.meta_loss(data)
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in learner.built().named_parameters()}


def check_equal(found: Values, expected: Values, rtol: float = 1e-8) -> None:
    assert found.keys() == expected.keys()
    scale = max(float(value.abs().max()) for value in expected.values())
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=rtol, atol=1e-2 * rtol * scale)


def moving(kind: str, *, head: bool) -> Rule:
    return Rule(
        lambda name, step, slope, learned: RATE * slope,
        lambda name: (name in PROBLEMS[kind].head) == head,
    )


# ANIL and BOIL


@KINDS
@PATHS
@ORDERS
@pytest.mark.parametrize(("name", "loop"), [("anil", "head_sgd"), ("boil", "body_sgd")])
def test_anil_and_boil_are_maml_on_a_part(kind, path, first_order, name, loop):
    inner = {"name": loop, "options": {"lr": RATE, "steps": 3}}
    options = {"strategy": inner, "first_order": first_order, "vectorize": path}
    loss, found = slopes_of(made(name, PROBLEMS[kind].network(), **options), episode(kind))
    whole, slopes = slopes_of(made("maml", PROBLEMS[kind].network(), **options), episode(kind))
    torch.testing.assert_close(loss, whole, rtol=1e-13, atol=0)
    check_equal(found, slopes, 1e-10)
    params = {
        n: p.detach().requires_grad_() for n, p in PROBLEMS[kind].network().named_parameters()
    }
    rule = moving(kind, head=name == "anil")
    slow = outer_loss(PROBLEMS[kind], rule, params, 3, first_order=first_order)
    check_equal(found, differentiated(slow, params))


@pytest.mark.parametrize("memory", ["normal", "low"])
def test_anil_takes_the_features_of_a_support_once(memory):
    passes = []
    network = PROBLEMS["convnet"].network()
    network[0].register_forward_hook(lambda *_: passes.append(1))
    inner = tlml.strategy("head_sgd", lr=RATE, steps=4)
    learner = made("anil", network, strategy=inner, vectorize="loop", memory=memory)
    _, found = slopes_of(learner, episode("convnet"))
    assert len(passes) == 3 * 2  # support and query of three tasks
    inner = tlml.strategy("head_sgd", lr=RATE, steps=4)
    whole = made("maml", PROBLEMS["convnet"].network(), strategy=inner, vectorize="loop")
    check_equal(found, slopes_of(whole, episode("convnet"))[1], 1e-10)


class Scaled(nn.Module):
    """A network that does something after its head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 2]`` to ``[n, 2]``."""
        return 3 * torch.tanh(self.head(torch.tanh(self.body(x))))


@PATHS
def test_anil_is_right_where_something_follows_the_head(path):
    torch.manual_seed(0)
    network = Scaled().double()
    found = []
    for name in ("anil", "maml"):
        inner = tlml.strategy("head_sgd", lr=RATE, steps=3)
        learner = made(name, copy.deepcopy(network), strategy=inner, vectorize=path)
        found.append(slopes_of(learner, episode("perceptron"))[1])
    check_equal(*found, 1e-10)


def test_anil_reshapes_what_the_head_gives_as_the_network_does():
    torch.manual_seed(0)
    network = tlml.Network(
        {"one": nn.Sequential(nn.Linear(2, 4), nn.Tanh())}, nn.Linear(4, 6), output_shape=(3, 2)
    ).double()
    x = torch.randn(2, 5, 2).double()
    data = Episode(Batch(x, torch.randn(2, 5, 3, 2)), Batch(x, torch.randn(2, 5, 3, 2)))
    found = []
    for name in ("anil", "maml"):
        inner = tlml.strategy("head_sgd", lr=RATE, steps=3)
        learner = made(name, copy.deepcopy(network), strategy=inner, vectorize="loop")
        found.append(slopes_of(learner, data)[1])
    check_equal(*found, 1e-10)


# Meta-SGD


@KINDS
@ORDERS
def test_meta_sgd_with_equal_rates_is_maml(kind, first_order):
    found = []
    for name, loop in (("meta_sgd", "meta_sgd"), ("maml", "sgd")):
        inner = tlml.strategy(loop, lr=RATE, steps=2)
        learner = made(name, PROBLEMS[kind].network(), strategy=inner, first_order=first_order)
        found.append(slopes_of(learner, episode(kind))[1])
    check_equal(*found, 1e-12)


# Reptile


def ends(kind: str, params: Values, steps: int) -> list[Values]:
    """Return where plain gradient steps on each support end."""
    found = []
    for sx, sy, _, _ in zip(*PROBLEMS[kind].tasks(), strict=True):
        at = dict(params)
        for _ in range(steps):
            leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
            slope = differentiated(PROBLEMS[kind].loss(leaves, sx, sy), leaves)
            at = {name: value - RATE * slope[name] for name, value in at.items()}
        found.append({name: value.detach() for name, value in at.items()})
    return found


@KINDS
@PATHS
def test_reptile_steps_towards_the_mean_of_the_ends(kind, path):
    learner = made(
        "reptile", PROBLEMS[kind].network(), strategy=tlml.strategy("sgd", lr=RATE, steps=4),
        lr=0.3, anneal=False, vectorize=path,
    )  # fmt: skip
    before = {n: p.detach().clone() for n, p in learner.built().named_parameters()}
    optimizer = learner.configure_optimizers()
    loss = learner.meta_loss(episode(kind))
    loss.backward()
    optimizer.step()
    found = ends(kind, before, 4)
    for name, value in learner.built().named_parameters():
        mean = torch.stack([end[name] for end in found]).mean(0)
        expected = before[name] + 0.3 * (mean - before[name])
        torch.testing.assert_close(value.detach(), expected, rtol=1e-12, atol=1e-14)
    queries = zip(found, *PROBLEMS[kind].tasks()[2:], strict=True)
    losses = [PROBLEMS[kind].loss(end, x, y) for end, x, y in queries]
    torch.testing.assert_close(loss.detach(), torch.stack(losses).mean(), rtol=1e-12, atol=0)


def test_reptile_takes_an_inner_loop_that_cannot_be_differentiated():
    network = PROBLEMS["perceptron"].network()
    inner = tlml.strategy("full", lr=0.05, steps=3)
    learner = made("reptile", network, strategy=inner)
    _, found = slopes_of(learner, episode("perceptron"))
    loss = learner.loss
    start = {n: p.detach() for n, p in network.named_parameters()}
    data = episode("perceptron").support
    adapted = [inner.adapt(loss, start, Batch(data.x[i], data.y[i])) for i in range(3)]
    check_equal(found, {n: p - sum(end[n] for end in adapted) / 3 for n, p in start.items()}, 1e-12)


@PATHS
def test_reptile_reads_a_support_part_by_part(path):
    learner = made(
        "reptile", PROBLEMS["perceptron"].network(), inner_batch=2, vectorize=path, seed=7,
        strategy=tlml.strategy("sgd", lr=RATE, steps=3),
    )  # fmt: skip
    start = {n: p.detach() for n, p in learner.built().named_parameters()}
    _, found = slopes_of(learner, episode("perceptron"))
    order = np.random.default_rng([7, 0, 0]).permutation(6).reshape(3, 2)
    total = {name: torch.zeros_like(value) for name, value in start.items()}
    for sx, sy, _, _ in zip(*PROBLEMS["perceptron"].tasks(), strict=True):
        at = start
        for part in order.tolist():
            leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
            loss = PROBLEMS["perceptron"].loss(leaves, sx[part], sy[part])
            slope = differentiated(loss, leaves)
            at = {name: value - RATE * slope[name] for name, value in at.items()}
        total = {name: total[name] + (start[name] - at[name]) / 3 for name in total}
    check_equal(found, total, 1e-11)


# iMAML


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


# MAML++


def weights_as_published(steps: int, epoch: int, epochs: int) -> list[float]:
    """Return the weights of the query losses as in the authors' program, entry by entry."""
    decay = 1.0 / steps / epochs
    least = 0.03 / steps
    early = [max(1.0 / steps - epoch * decay, least) for _ in range(steps - 1)]
    last = min(1.0 / steps + epoch * (steps - 1) * decay, 1.0 - (steps - 1) * least)
    return [*early, last]


def in_epoch(monkeypatch: pytest.MonkeyPatch, learner: tlml.GradientLearner, epoch: int) -> None:
    monkeypatch.setattr(type(learner), "current_epoch", property(lambda self: epoch))


@pytest.mark.parametrize("epoch", [0, 4, 9, 10, 30])
def test_maml_pp_weighs_the_losses_along_the_way_as_published(epoch, monkeypatch):
    learner = made("maml_pp", PROBLEMS["perceptron"].network(), multi_step_epochs=10)
    in_epoch(monkeypatch, learner, epoch)
    expected = weights_as_published(5, epoch, 10) if epoch < 10 else [0, 0, 0, 0, 1]
    assert learner.step_weights(5) == pytest.approx(expected, abs=1e-15)
    assert sum(learner.step_weights(5)) == pytest.approx(1)
    assert learner.step_weights(1) == pytest.approx((1.0,))


@KINDS
@PATHS
@pytest.mark.parametrize("epoch", [0, 3, 5, 7])
def test_maml_pp_equals_a_slow_reference_of_all_its_parts(kind, path, epoch, monkeypatch):
    learner = made(
        "maml_pp", PROBLEMS[kind].network(), multi_step_epochs=7, first_order_epochs=5,
        strategy=tlml.strategy("per_step_sgd", lr=RATE, steps=3), vectorize=path,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in learner.strategy.parameters():
            value += 0.1 * torch.randn(value.shape, generator=rng, dtype=value.dtype)
    in_epoch(monkeypatch, learner, epoch)
    params = {n: p.detach().clone().requires_grad_() for n, p in learner.built().named_parameters()}
    own = learner.strategy.named_parameters()
    learned = {n: p.detach().clone().requires_grad_() for n, p in own}
    norms = PROBLEMS[kind].norms

    def enter(step: int, now: Values, first: Values, learned: Values) -> Values:
        later = {n: learned[f"_later.{n.replace('.', '/')}"][step - 1] for n in norms if step}
        return {**now, **later}

    def change(name: str, step: int, slope: Tensor, learned: Values) -> Tensor:
        return learned[f"_rates.{name.replace('.', '/')}"][step] * slope

    rule = Rule(change, lambda name: name not in norms, enter, learned)
    weights = weights_as_published(3, epoch, 7) if epoch < 7 else None
    slow = outer_loss(PROBLEMS[kind], rule, params, 3, first_order=epoch < 5, weights=weights)
    expected = differentiated(
        slow,
        {f"network.{name}": value for name, value in params.items()},
        {f"strategy.{name}": value for name, value in learned.items()},
    )
    loss = learner.meta_loss(episode(kind))
    loss.backward()
    torch.testing.assert_close(loss.detach(), slow.detach(), rtol=1e-11, atol=0)
    zeros = {n: torch.zeros_like(p) for n, p in learner.named_parameters()}
    found = {n: zeros[n] if p.grad is None else p.grad for n, p in learner.named_parameters()}
    check_equal(found, expected)


def test_maml_pp_with_every_part_left_out_is_maml(monkeypatch):
    options = {"multi_step_epochs": 0, "first_order_epochs": 0, "cosine": False}
    found = []
    for name, more in (("maml_pp", options), ("maml", {})):
        inner = tlml.strategy("sgd", lr=RATE, steps=3)
        learner = made(name, PROBLEMS["convnet"].network(), strategy=inner, **more)
        found.append(slopes_of(learner, episode("convnet"))[1])
    check_equal(*found, 1e-14)

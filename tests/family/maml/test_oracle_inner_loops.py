"""Meta-gradients of every inner loop against finite differences and a slow reference, float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from inner_loops import NORMED, PROBLEMS, Problem, Rule, Values, differentiated, outer_loss
from torch import Tensor

import tlml
from tlml import Batch, Episode
from tlml.meta.paths import can_stack_tasks

RATE = 0.15
KINDS = pytest.mark.parametrize("kind", PROBLEMS)
ORDERS = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
STEPS = pytest.mark.parametrize("steps", [1, 5])


def problem_of(kind: str) -> Problem:
    return NORMED if kind == "normed" else PROBLEMS[kind]


def strategy(loop: str, steps: int) -> tlml.Strategy:
    name, _, way = loop.partition(" ")
    options = {
        "learned": {"learn_lr": True},
        "adapted": {"norms": "adapted"},
        "shared": {"norms": "shared"},
        "fixed": {"learn_lr": False},
    }
    return tlml.strategy(name, lr=RATE, steps=steps, **options.get(way, {}))


def learner_of(kind: str, loop: str, steps: int, first_order: bool) -> tlml.GradientLearner:
    """Return MAML with an inner loop whose learned tensors are random, not as they begin."""
    learner = tlml.learner(
        "maml", network=problem_of(kind).network(), strategy=strategy(loop, steps),
        first_order=first_order,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in learner.strategy.parameters():
            value += 0.1 * torch.randn(value.shape, generator=rng, dtype=value.dtype)
    assert isinstance(learner, tlml.GradientLearner)
    return learner


def episode(kind: str) -> Episode:
    sx, sy, qx, qy = problem_of(kind).tasks()
    return Episode(Batch(sx, sy), Batch(qx, qy))


def leaves(learner: tlml.GradientLearner) -> tuple[Values, Values]:
    """Return copies of the network's parameters, and of what the inner loop learned."""
    made = []
    for module in (learner.built(), learner.strategy):
        named = module.named_parameters()
        made.append({n: p.detach().clone().requires_grad_() for n, p in named})
    return made[0], made[1]


def with_norms(kind: str, way: str) -> Rule:
    """Return MAML++'s rule: rates by parameter and step, BatchNorm's weights and biases by step."""
    norms = problem_of(kind).norms

    def enter(step: int, now: Values, first: Values, learned: Values) -> Values:
        if way or step == 0:
            return now
        by_step = {name: learned[f"_later.{slashed(name)}"][step - 1] for name in norms}
        return {**now, **by_step}

    def step(name: str, step: int, slope: Tensor, learned: Values) -> Tensor:
        rate = RATE if way == "fixed" else learned[f"_rates.{slashed(name)}"][step]
        return rate * slope

    moves = (lambda name: True) if way == "adapted" else (lambda name: name not in norms)
    return Rule(step, moves, enter)


def curved(name: str, step: int, slope: Tensor, learned: Values) -> Tensor:
    """Return a gradient multiplied by the Kronecker product of its layer's matrices."""
    key = slashed(name)
    if slope.dim() == 1:
        return RATE * learned[f"entries.{key}"] * slope
    product = torch.kron(learned[f"outputs.{key}"], learned[f"inputs.{key}"])
    if slope.dim() > 2:
        product = torch.kron(product, learned[f"kernels.{key}"])
    return RATE * (product @ slope.flatten()).reshape(slope.shape)


def slashed(name: str) -> str:
    """Return a parameter's name as state dicts show it."""
    return name.replace(".", "/")


def plain(name: str, step: int, slope: Tensor, learned: Values) -> Tensor:
    return RATE * slope


RULES: dict[str, Callable[[str], Rule]] = {
    "sgd": lambda kind: Rule(plain),
    "sgd learned": lambda kind: Rule(lambda name, k, slope, learned: learned["alpha"] * slope),
    "head_sgd": lambda kind: Rule(plain, lambda name: name in problem_of(kind).head),
    "body_sgd": lambda kind: Rule(plain, lambda name: name not in problem_of(kind).head),
    "meta_sgd": lambda kind: Rule(
        lambda name, k, slope, learned: learned[f"_rates.{slashed(name)}"] * slope
    ),
    "per_step_sgd": lambda kind: with_norms(kind, ""),
    "per_step_sgd shared": lambda kind: with_norms(kind, "shared"),
    "per_step_sgd adapted": lambda kind: with_norms(kind, "adapted"),
    "meta_curvature": lambda kind: Rule(curved),
}
LOOPS = pytest.mark.parametrize("loop", RULES)


@cache
def reference(kind: str, loop: str, steps: int, first_order: bool) -> tuple[Tensor, Values]:
    """Return the meta-loss and its gradient by the network's and the inner loop's parameters."""
    params, learned = leaves(learner_of(kind, loop, steps, first_order))
    rule = replace(RULES[loop](kind), learned=learned)
    loss = outer_loss(problem_of(kind), rule, params, steps, first_order=first_order)
    whole = differentiated(
        loss,
        {f"network.{name}": value for name, value in params.items()},
        {f"strategy.{name}": value for name, value in learned.items()},
    )
    return loss.detach(), whole


@KINDS
@LOOPS
@STEPS
@ORDERS
def test_the_meta_gradient_equals_the_slow_reference(kind, loop, steps, first_order):
    for path in ("loop", "vmap", "auto", "low"):
        learner = learner_of(kind, loop, steps, first_order)
        learner.vectorize = "loop" if path == "low" else path
        learner.memory = "low" if path == "low" else "normal"
        check_gradient(learner, kind, reference(kind, loop, steps, first_order))


@LOOPS
@ORDERS
def test_the_meta_gradient_on_stacked_parameters_with_batchnorm_is_exact(loop, first_order):
    learner = learner_of("normed", loop, 3, first_order)
    assert can_stack_tasks(learner)
    learner.vectorize = "stack"
    check_gradient(learner, "normed", reference("normed", loop, 3, first_order))


def check_gradient(
    learner: tlml.GradientLearner, kind: str, reference: tuple[Tensor, Values]
) -> None:
    """Check meta-loss and meta-gradient to eight digits."""
    expected_loss, expected = reference
    loss = learner.meta_loss(episode(kind))
    loss.backward()
    found = {name: p.grad for name, p in learner.named_parameters()}
    assert found.keys() == expected.keys()
    torch.testing.assert_close(loss.detach(), expected_loss, rtol=1e-11, atol=0)
    scale = max(float(slope.abs().max()) for slope in expected.values())
    for name, slope in found.items():
        assert slope is not None
        torch.testing.assert_close(slope, expected[name], rtol=1e-8, atol=1e-10 * scale)


@KINDS
@LOOPS
@pytest.mark.parametrize("steps", [3])
def test_the_meta_gradient_equals_finite_differences_of_the_slow_loss(kind, loop, steps):
    learner = learner_of(kind, loop, steps, False)
    learner.meta_loss(episode(kind)).backward()
    params, learned = leaves(learner)
    slopes = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
    rng = torch.Generator().manual_seed(steps)

    def moved(values: Values, prefix: str, ways: Values, size: float) -> Values:
        return {
            name: (value.detach() + size * ways[prefix + name]).requires_grad_()
            for name, value in values.items()
        }

    def value(ways: Values, size: float) -> float:
        rule = replace(RULES[loop](kind), learned=moved(learned, "strategy.", ways, size))
        at = moved(params, "network.", ways, size)
        return float(outer_loss(problem_of(kind), rule, at, steps).detach())

    for part in ("network.", "strategy."):
        ways = {n: torch.zeros_like(p) for n, p in learner.named_parameters()}
        chosen = [name for name in ways if name.startswith(part)]
        for name in chosen:
            noise = torch.randn(ways[name].shape, generator=rng, dtype=torch.float64)
            ways[name] = noise / sum(ways[n].numel() for n in chosen) ** 0.5
        # Seven points: the error falls as the sixth power of the step.
        h, weights = 1e-3, (3 / 4, -3 / 20, 1 / 60)
        pairs = ((w, value(ways, k * h) - value(ways, -k * h)) for k, w in enumerate(weights, 1))
        difference = sum(w * d for w, d in pairs) / h
        expected = sum(float((slopes[n] * ways[n]).sum()) for n in chosen if n in slopes)
        assert difference == pytest.approx(expected, rel=1e-8, abs=1e-9)
        assert chosen == [] or loop == "per_step_sgd" or abs(expected) > 1e-6


@KINDS
@LOOPS
def test_first_and_second_order_differ(kind, loop):
    first, second = (reference(kind, loop, 5, order)[1] for order in (True, False))
    assert max(float((first[name] - second[name]).abs().max()) for name in first) > 1e-5

"""Minimum class confusion, by the loops of its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from refusals import stops
from torch import Tensor

import tlml
from tlml.registry import default_registry


def some_logits(n: int = 7, classes: int = 4) -> Tensor:
    rng = torch.Generator().manual_seed(n)
    return 3 * torch.randn(n, classes, generator=rng, dtype=torch.float64)


def by_loops(logits: np.ndarray, temperature: float) -> float:
    """Return the confusion as section 3 of the paper builds it."""
    n, classes = logits.shape
    y = np.exp(logits / temperature)
    y /= y.sum(1, keepdims=True)
    certain = [1 + math.exp(sum(p * math.log(p) for p in row)) for row in y]
    w = [n * each / sum(certain) for each in certain]
    total = 0.0
    for j in range(classes):
        row = [sum(w[i] * y[i, j] * y[i, k] for i in range(n)) for k in range(classes)]
        total += sum(row[k] / sum(row) for k in range(classes) if k != j)
    return total / classes


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_it_is_its_definition_class_by_class(temperature: float) -> None:
    logits = some_logits()
    found = tlml.strategy("mcc", temperature=temperature).penalty(logits)
    assert found.item() == pytest.approx(by_loops(logits.numpy(), temperature), rel=1e-12)


def test_the_temperature_is_the_papers_unless_given() -> None:
    logits = some_logits()
    expected = by_loops(logits.numpy(), 2.5)
    assert tlml.strategy("mcc").penalty(logits).item() == pytest.approx(expected, rel=1e-12)


def test_its_gradient_takes_the_certainties_for_constants() -> None:
    logits = some_logits().requires_grad_()
    (slope,) = torch.autograd.grad(tlml.strategy("mcc").penalty(logits), logits)
    y = torch.softmax(logits.detach() / 2.5, 1).numpy()
    w = 1 + np.exp((y * np.log(y)).sum(1))

    def with_fixed_weights(x: np.ndarray) -> float:
        p = np.exp(x / 2.5)
        p /= p.sum(1, keepdims=True)
        confusion = p.T @ (w[:, None] * p)
        confusion /= confusion.sum(1, keepdims=True)
        return float((confusion.sum() - np.trace(confusion)) / len(confusion))

    step = np.random.default_rng(0).normal(size=y.shape)
    x = logits.detach().numpy()
    ahead, behind = (with_fixed_weights(x + sign * 1e-6 * step) for sign in (1, -1))
    assert (slope.numpy() * step).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_certain_predictions_of_every_class_are_not_confused() -> None:
    logits = 100 * torch.eye(3, dtype=torch.float64).repeat(2, 1)
    assert tlml.strategy("mcc").penalty(logits).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_batch_of_one_class_has_a_finite_loss_and_gradient(scale: float) -> None:
    logits = torch.zeros(5, 3)
    logits[:, 0] = scale  # in float32 the other classes have probability 0 at 1e4
    logits.requires_grad_()
    loss = tlml.strategy("mcc").penalty(logits)
    (slope,) = torch.autograd.grad(loss, logits)
    assert 0 <= loss < 1
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("logits", [some_logits(1), torch.ones(5, 3)], ids=["one", "constant"])
def test_one_example_or_equal_predictions_leave_nothing_to_go_down(logits: Tensor) -> None:
    logits = logits.clone().requires_grad_()
    loss = tlml.strategy("mcc").penalty(logits)
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(1 - 1 / logits.shape[1], rel=1e-6)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-7)


def test_no_predictions_are_refused() -> None:
    with stops("mcc: target logits must be [n, classes] with n of at least 1, are [0, 3]"):
        tlml.strategy("mcc").penalty(torch.zeros(0, 3))


def test_options_out_of_range_are_refused() -> None:
    with stops("temperature: must be greater than 0, is 0"):
        tlml.strategy("mcc", temperature=0)
    with stops("weight: must be at least 0, is -1"):
        tlml.strategy("mcc", weight=-1)


def test_it_needs_classes() -> None:
    registry = default_registry()
    assert registry.partners("strategy", "mcc")["learner"] == ["supervised"]
    assert registry.judge("digits", "supervised", "mcc").lacks == ()
    assert registry.judge("sinusoid", "supervised", "mcc").lacks != ()

"""Gradients by name, under vmap, and differentiated again."""

from __future__ import annotations

import pytest
import torch
from bowls import bowl, start
from torch import Tensor, nn

import tlml
from tlml.data import Batch
from tlml.strategies import FirstOrder, kept_of
from tlml.strategies.gradients import KeptLoss
from tlml.testing.toys import LearnedRates


def test_a_gradient_is_that_of_autograd_by_name():
    params, batch = start(), torch.ones(2)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    expected = torch.autograd.grad(bowl(leaves, batch), list(leaves.values()))
    found = tlml.gradient(bowl, params, batch)
    assert list(found) == list(params)
    for name, slope in zip(params, expected, strict=True):
        torch.testing.assert_close(found[name], slope, rtol=1e-14, atol=0)
    assert all(not value.requires_grad for value in params.values())


def test_a_gradient_works_in_inference_mode_and_where_nothing_needs_gradients():
    expected = tlml.gradient(bowl, start(), torch.ones(2))
    with torch.inference_mode():
        quiet = tlml.gradient(bowl, start(), torch.ones(2))
    with torch.no_grad():
        still = tlml.gradient(bowl, start(), torch.ones(2))
    for name, slope in expected.items():
        assert torch.equal(quiet[name], slope)
        assert torch.equal(still[name], slope)


def test_a_gradient_works_under_vmap():
    batches = torch.tensor([[0.5, 1.0], [2.0, 3.0]])
    at = start()
    together = torch.func.vmap(lambda batch: tlml.gradient(bowl, at, batch))(batches)
    for i, batch in enumerate(batches):
        for name, slope in tlml.gradient(bowl, start(), batch).items():
            torch.testing.assert_close(together[name][i], slope)


def test_a_gradient_can_be_differentiated_again():
    params = {"p": torch.tensor([2.0], dtype=torch.float64, requires_grad=True)}
    slope = tlml.gradient(lambda p, b: (p["p"] ** 3 * b).sum(), params, torch.tensor(1.0))["p"]
    slope.sum().backward()
    assert params["p"].grad is not None
    assert float(slope.detach()) == pytest.approx(12.0)
    assert float(params["p"].grad) == pytest.approx(12.0)


def test_a_linearised_loss_has_value_and_gradient_but_no_curvature():
    params, batch = start(), torch.ones(2)
    loss = FirstOrder(bowl)
    assert float(loss(params, batch)) == pytest.approx(float(bowl(params, batch)), rel=1e-14)
    found, expected = tlml.gradient(loss, params, batch), tlml.gradient(bowl, params, batch)
    for name in params:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-14, atol=0)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    assert not any(slope.requires_grad for slope in tlml.gradient(loss, leaves, batch).values())
    assert all(slope.requires_grad for slope in tlml.gradient(bowl, leaves, batch).values())


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("vectorize", ["loop", "vmap"])
def test_first_order_keeps_learned_rates_in_the_graph(steps, vectorize):
    torch.manual_seed(0)
    net = nn.Linear(2, 1).double()
    strategy = LearnedRates(lr=0.1, steps=steps)
    learner = tlml.learner(
        "maml", network=net, strategy=strategy, first_order=True, vectorize=vectorize
    )
    x = torch.randn(3, 4, 2)
    batch = Batch(x, x.sum(-1, keepdim=True))
    learner.meta_loss(tlml.Episode(batch, batch)).backward()
    grads = [rate.grad for rate in strategy.rates]
    # By the chain rule: −Σ over steps of slope(query at the end) · slope(support at that step).
    expected = [torch.zeros_like(p) for p in net.parameters()]
    for task in range(3):
        data = Batch(batch.x[task], batch.y[task])
        at: dict[str, Tensor] = {n: p.detach() for n, p in net.named_parameters()}
        seen = []
        for _ in range(steps):
            seen.append(tlml.gradient(learner.loss, at, data))
            at = {n: p - 0.1 * seen[-1][n] for n, p in at.items()}
        last = tlml.gradient(learner.loss, at, data)
        for i, name in enumerate(at):
            expected[i] -= sum(last[name] * slope[name] for slope in seen) / 3
    for grad, value in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, value, rtol=1e-10, atol=1e-14)


def test_a_loss_with_something_kept_is_that_of_the_others():
    params, batch = start(), torch.ones(2)
    kept = {next(iter(params)): params.pop(next(iter(params)))}
    whole = tlml.gradient(bowl, {**kept, **params}, batch)
    for loss in (bowl, FirstOrder(bowl)):
        found = tlml.gradient(KeptLoss(loss, kept), params, batch)
        assert list(found) == list(params)
        assert all(torch.equal(found[name], whole[name]) for name in params)
    assert float(KeptLoss(bowl, kept)(params, batch)) == float(bowl({**kept, **params}, batch))
    assert kept_of(KeptLoss(bowl, kept)) == kept
    assert kept_of(bowl) == {}

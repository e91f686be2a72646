"""A-GEM: the projection, and what it is against."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from continual_steps import flat, learner, step
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from tlml_continual.agem import projected


def vectors(seed: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, 6, generator=rng, dtype=torch.float64)
    return one, other


@pytest.mark.parametrize("seed", range(6))
def test_the_projection_is_the_nearest_gradient_that_does_no_harm(seed: int) -> None:
    slope, reference = vectors(seed)
    found = projected(slope, reference)
    limit = {"type": "ineq", "fun": lambda v: v @ reference.numpy()}
    best = minimize(
        lambda v: ((v - slope.numpy()) ** 2).sum(), found.numpy() + 0.1, constraints=[limit],
        method="SLSQP", tol=1e-14,
    )  # fmt: skip
    torch.testing.assert_close(found, torch.from_numpy(best.x), rtol=1e-5, atol=1e-6)


def test_seeds_show_both_cases_and_the_closed_form_holds() -> None:
    products = []
    for seed in range(6):
        slope, reference = vectors(seed)
        found, product = projected(slope, reference), float(slope @ reference)
        products.append(product)
        if product >= 0:
            assert torch.equal(found, slope)
        else:
            length = float(reference.norm())
            unit = reference / length
            torch.testing.assert_close(found, slope - unit * (slope @ unit), rtol=1e-12, atol=1e-14)
            assert abs(float(found @ reference)) < 1e-12 * length
    assert min(products) < 0 < max(products)


def slopes(made: Any, x: Tensor, y: Tensor) -> Tensor:
    loss = F.mse_loss(made.network(x), y)
    return flat(torch.autograd.grad(loss, list(made.network.parameters())))


def test_the_reference_is_the_gradient_on_old_examples_alone() -> None:
    made = learner("agem", memory_size=20, replay=4)
    for task in range(3):
        made.remember(step(task))
    made.present = 2
    torch.manual_seed(5)
    found = made.reference()
    torch.manual_seed(5)
    rows = torch.randint(10, (4,))  # of tasks 0 and 1, in the order in which they came
    x = torch.cat([step(0).batch.x, step(1).batch.x])[rows]
    y = torch.cat([step(0).batch.y, step(1).batch.y])[rows]
    torch.testing.assert_close(found, slopes(made, x, y), rtol=1e-12, atol=1e-15)


def test_steps_are_plain_in_the_first_task_and_projected_later() -> None:
    made = learner("agem", memory_size=20, replay=4)
    own = step(0)
    made.glance_loss(own).backward()
    plain = flat(p.grad for p in made.network.parameters())
    made.remember(own)
    made.on_before_optimizer_step(None)
    assert torch.equal(flat(p.grad for p in made.network.parameters()), plain)
    # The same inputs with the opposite targets: what is good now was bad before.
    other = own._replace(batch=own.batch._replace(y=-own.batch.y), task=own.task + 1)
    made.zero_grad()
    made.glance_loss(other).backward()
    before = flat(p.grad for p in made.network.parameters())
    torch.manual_seed(5)
    reference = made.reference()
    torch.manual_seed(5)
    made.on_before_optimizer_step(None)
    after = flat(p.grad for p in made.network.parameters())
    assert float(before @ reference) < 0
    assert torch.equal(after, projected(before, reference))


def test_what_is_frozen_gets_no_gradient() -> None:
    made = learner("agem", memory_size=20, replay=4)
    made.network[0].weight.requires_grad_(False)
    made.remember(step(0))
    made.glance_loss(step(1)).backward()
    made.on_before_optimizer_step(None)
    assert made.network[0].weight.grad is None
    assert made.network[2].weight.grad is not None

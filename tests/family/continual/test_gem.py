"""GEM: its quadratic program against all active sets, and what it is of."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from continual_steps import flat, learner, step
from refusals import fails
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

import tlml
from tlml_continual.gem import dual, projected


def gradients(seed: int, tasks: int, size: int = 12) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    slope = torch.randn(size, generator=rng, dtype=torch.float64)
    old = torch.randn(tasks, size, generator=rng, dtype=torch.float64) - 0.3 * slope
    return slope, old


def by_trying(gram: Any, linear: Any, margin: float) -> Any:
    """Return the minimiser of equation 11: of all sets of bound entries, the one with KKT."""
    for bound in product([False, True], repeat=len(linear)):
        at_bound = np.array(bound)
        v = np.where(at_bound, margin, 0.0)
        if not at_bound.all():
            free = ~at_bound
            rest = linear[free] + gram[np.ix_(free, at_bound)] @ v[at_bound]
            v[free] = np.linalg.solve(gram[np.ix_(free, free)], -rest)
        slopes = gram @ v + linear
        if (v >= margin - 1e-12).all() and (slopes[at_bound] >= -1e-12).all():
            return v
    raise AssertionError("no set of bound entries fits")


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(8))
def test_the_program_is_solved_exactly(seed: int, margin: float) -> None:
    slope, old = gradients(seed, tasks=1 + seed % 6)
    gram, linear = (old @ old.T).numpy(), (old @ slope).numpy()
    found = dual(gram, linear, margin)
    np.testing.assert_allclose(found, by_trying(gram, linear, margin), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_lengths_of_gradients_may_differ_by_far(seed: int) -> None:
    slope, old = gradients(seed, tasks=4)
    old = old * torch.tensor([1e-7, 1.0, 1e5, 1e-2], dtype=torch.float64)[:, None]
    found = projected(slope, old, 0.0)
    unit = old / old.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, projected(slope, unit, 0.0), rtol=1e-9, atol=1e-10)
    assert float((unit @ found).min()) > -1e-9


def test_equal_tasks_are_one() -> None:
    slope, old = gradients(1, tasks=3)
    torch.testing.assert_close(
        projected(slope, torch.cat([old, old, old]), 0.0), projected(slope, old, 0.0),
        rtol=1e-7, atol=1e-8,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_without_margin_it_is_the_nearest_gradient_that_does_no_harm(seed: int) -> None:
    slope, old = gradients(seed, tasks=4)
    found = projected(slope, old, 0.0)
    limits = {"type": "ineq", "fun": lambda v: old.numpy() @ v}
    best = minimize(
        lambda v: ((v - slope.numpy()) ** 2).sum(), slope.numpy(), constraints=[limits],
        method="SLSQP", tol=1e-14, options={"maxiter": 500},
    )  # fmt: skip
    torch.testing.assert_close(found, torch.from_numpy(best.x), rtol=1e-5, atol=1e-5)


def test_what_does_no_harm_stays() -> None:
    slope, _ = gradients(0, tasks=1)
    assert projected(slope, torch.stack([slope, 2 * slope]), 0.5) is slope


def slopes(made: Any, x: Tensor, y: Tensor) -> Tensor:
    loss = F.mse_loss(made.network(x), y)
    return flat(torch.autograd.grad(loss, list(made.network.parameters())))


@pytest.mark.parametrize("replay", [None, 3])
def test_a_gradient_is_of_one_old_task(replay: int | None) -> None:
    made = learner("gem", memory_size=20, replay=replay)
    for task in range(3):
        made.remember(step(task))
    torch.manual_seed(5)
    found = made.slopes_on(1)
    torch.manual_seed(5)
    rows = torch.arange(5) if replay is None else torch.randint(5, (replay,))
    x, y = step(1).batch
    torch.testing.assert_close(found, slopes(made, x[rows], y[rows]), rtol=1e-12, atol=1e-15)


def test_a_step_is_projected_against_all_old_tasks_and_not_its_own() -> None:
    made = learner("gem", memory_size=20, margin=0.2)
    for task in range(3):
        made.remember(step(task))
    own = step(2)
    other = own._replace(batch=own.batch._replace(y=-9 * own.batch.y))
    made.glance_loss(other).backward()
    before = flat(p.grad for p in made.network.parameters())
    old = torch.stack([made.slopes_on(task) for task in (0, 1)])
    made.on_before_optimizer_step(None)
    after = flat(p.grad for p in made.network.parameters())
    assert float((old @ before).min()) < 0
    gram, linear = (old @ old.T).numpy(), (old @ before).numpy()
    right = before + torch.from_numpy(by_trying(gram, linear, 0.2)) @ old
    torch.testing.assert_close(after, right, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1}, "margin: must be at least 0, is -1"),
        (
            {"memory_size": 5, "replay": 6},
            "replay: 6 examples of a memory of 5 can't be drawn; lower replay, or raise "
            "memory_size",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with fails(message):
        tlml.learner("gem", **options)

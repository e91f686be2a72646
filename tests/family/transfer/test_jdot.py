"""Transport plans against linear programming, costs against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from refusals import stops
from scipy.optimize import linprog
from torch import Tensor, nn

import tlml
from tlml import Context
from tlml_transfer.transport import exact_plan


def some(n: int = 5, m: int = 5, classes: int = 3, values: bool = False) -> Context:
    rng = torch.Generator().manual_seed(10 * n + m)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    labels = normal(n, classes) if values else torch.randint(classes, (n,), generator=rng)
    return Context(
        normal(n, 2), normal(m, 2), normal(n, 4), normal(m, 4), normal(n, classes),
        normal(m, classes), 0.5, nn.Identity(), labels,
    )  # fmt: skip


def by_programming(cost: np.ndarray) -> float:
    """Return the least cost of a transport, with one constraint written out for each mass."""
    n, m = cost.shape
    rows, masses = [], []
    for i in range(n):
        rows.append([float(a == i) for a in range(n) for _ in range(m)])
        masses.append(1 / n)
    for j in range(m):
        rows.append([float(b == j) for _ in range(n) for b in range(m)])
        masses.append(1 / m)
    found = linprog(
        cost.reshape(-1), A_eq=np.array(rows), b_eq=np.array(masses), method="highs-ipm"
    )
    assert found.status == 0
    return float(found.fun)


def costs(context: Context, alpha: float) -> np.ndarray:
    """Return the cost of each pair, pair by pair."""
    fs, ft = context.features_source.numpy(), context.features_target.numpy()
    y, out = context.labels_source.numpy(), context.logits_target.numpy()
    found = np.empty((len(fs), len(ft)))
    for i, j in np.ndindex(*found.shape):
        if context.labels_source.is_floating_point():
            loss = ((y[i] - out[j]) ** 2).mean()
        else:
            loss = np.log(np.exp(out[j]).sum()) - out[j, y[i]]
        found[i, j] = alpha * ((fs[i] - ft[j]) ** 2).sum() + loss
    return found


@pytest.mark.parametrize("values", [False, True], ids=["classes", "values"])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6), (6, 1), (1, 1)])
def test_the_loss_is_that_of_the_cheapest_plan(n: int, m: int, values: bool) -> None:
    context = some(n, m, values=values)
    strategy = tlml.strategy("jdot", alpha=0.3, weight=2.0)
    expected = costs(context, 0.3)
    np.testing.assert_allclose(strategy.cost(context).numpy(), expected, rtol=1e-10)
    found = strategy.terms(context)
    assert set(found) == {"jdot"}
    assert found["jdot"].item() == pytest.approx(2 * by_programming(expected), rel=1e-8)


def test_the_plan_is_a_constant_in_the_gradient() -> None:
    context = some()
    for part in (context.features_source, context.features_target, context.logits_target):
        part.requires_grad_()
    loss = tlml.strategy("jdot", alpha=0.3, weight=1.0).terms(context)["jdot"]
    source, target, logits = torch.autograd.grad(
        loss, [context.features_source, context.features_target, context.logits_target]
    )
    detached = some()
    plan = exact_plan(costs(detached, 0.3))
    fs, ft = detached.features_source.numpy(), detached.features_target.numpy()
    pairs = 0.6 * plan[:, :, None] * (fs[:, None] - ft[None])
    np.testing.assert_allclose(source.numpy(), pairs.sum(1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(target.numpy(), -pairs.sum(0), rtol=1e-9, atol=1e-12)
    own = torch.softmax(detached.logits_target, 1).numpy() / 5
    carried = plan.T @ np.eye(3)[detached.labels_source.numpy()]
    np.testing.assert_allclose(logits.numpy(), own - carried, rtol=1e-9, atol=1e-12)


def test_values_of_one_number_may_lack_their_axis() -> None:
    context = some(4, 4, classes=1, values=True)
    flat = Context(
        *(getattr(context, name) for name in list(Context.__slots__)[:5]),
        context.logits_target[:, 0], 0.5, nn.Identity(), context.labels_source[:, 0],
    )  # fmt: skip
    strategy = tlml.strategy("jdot")
    torch.testing.assert_close(strategy.cost(flat), strategy.cost(context))


def changed(context: Context, **parts: Any) -> Context:
    return Context(**{name: getattr(context, name) for name in Context.__slots__} | parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"labels_source": torch.zeros(0)},
            "jdot: the context holds no labels_source; the learner must hand them over",
        ),
        (
            {"labels_source": torch.tensor([0, 1, 4, 2, 2])},
            "jdot: the source has a class 4, and the network 3 outputs; source and target must "
            "have the same classes",
        ),
        (
            {"features_source": torch.zeros(0, 4)},
            "jdot: compares source and target, and there are no source examples; the view must "
            "give both",
        ),
        (
            {"features_target": torch.full((5, 4), torch.nan).double()},
            "jdot: features or predictions are NaN or infinite; lower the lr",
        ),
    ],
)
def test_what_can_not_be_transported_is_refused(parts: dict[str, Any], message: str) -> None:
    with stops(message):
        tlml.strategy("jdot").terms(changed(some(), **parts))


def test_constant_features_are_transported_by_their_labels() -> None:
    constant = torch.ones(5, 4, dtype=torch.float64)
    context = changed(some(), features_source=constant, features_target=constant)
    found = tlml.strategy("jdot", weight=1.0).terms(context)["jdot"]
    assert found.item() == pytest.approx(by_programming(costs(context, 0.0)), rel=1e-8)


def test_options_out_of_range_are_refused() -> None:
    with stops("alpha: must be at least 0, is -1"):
        tlml.strategy("jdot", alpha=-1)
    with stops("weight: must be at least 0, is -1"):
        tlml.strategy("jdot", weight=-1)

"""Elastic weight consolidation against its equations, one example after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from continual_steps import flat, learner, move, network, on_stream, step
from refusals import fails
from tiny import Tables
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml import Batch


def slopes(made: Any, loss: Tensor) -> Tensor:
    return flat(torch.autograd.grad(loss, list(made.network.parameters())))


def loss_on(made: Any, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(made.network(x), y)


def by_hand(made: Any, data: Batch, kind: str, batch_size: int) -> Tensor:
    """Return the Fisher diagonal by a loop of backward passes."""
    total, (x, y) = torch.zeros(len(made.importance), dtype=torch.float64), data
    if kind == "batch":
        batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
        for own in batches:
            total += slopes(made, loss_on(made, *own)).square()
        return total / len(batches)
    for row in range(len(x)):
        one = x[row : row + 1]
        if kind == "empirical":
            total += slopes(made, loss_on(made, one, y[row : row + 1])).square()
            continue
        shares = made.network(one).softmax(1)[0].detach()
        for label, share in enumerate(shares):
            total += share * slopes(made, loss_on(made, one, torch.tensor([label]))).square()
    return total / len(x)


@pytest.mark.parametrize("kind", ["empirical", "batch", "exact"])
def test_the_fisher_matrix_is_a_mean_of_squared_gradients(kind: str) -> None:
    made = learner("ewc", 3, fisher=kind)
    data = step(0, 7, 3).batch
    found = made.fisher_of(data, batch_size=3)
    torch.testing.assert_close(found, by_hand(made, data, kind, 3), rtol=1e-10, atol=1e-14)


def test_the_kinds_are_different_ones() -> None:
    data = step(0, 7, 3).batch
    every = [learner("ewc", 3, fisher=kind) for kind in ("empirical", "batch", "exact")]
    sums = [float(made.fisher_of(data, batch_size=3).sum()) for made in every]
    assert sums[1] < 0.8 * sums[0]
    assert sums[2] != pytest.approx(sums[0], rel=0.01)


def test_drawn_labels_are_right_on_the_average() -> None:
    data = step(0, 7, 3).batch
    made = learner("ewc", 3, fisher="sampled")
    torch.manual_seed(0)
    many = Batch(data.x.repeat(600, 1), data.y.repeat(600))
    exact = learner("ewc", 3, fisher="exact").fisher_of(data)
    assert float((made.fisher_of(many) - exact).norm() / exact.norm()) < 0.1


def test_values_have_a_fisher_matrix_too() -> None:
    made, data = learner("ewc"), step(0).batch
    total = sum(
        slopes(made, F.mse_loss(made.network(x[None]), y[None])).square()
        for x, y in zip(*data, strict=True)
    )
    torch.testing.assert_close(made.fisher_of(data), total / 5, rtol=1e-10, atol=1e-14)


class Peeking(nn.Module):
    """A network that reads a value out of its tensors, so that vmap can't run it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network(3)

    def forward(self, x: Tensor) -> Tensor:
        sign = 1 if float(x.sum()) < 1e9 else -1
        scores: Tensor = sign * self.inner(x)
        return scores


def test_what_vmap_can_not_run_is_looped_over(caplog: pytest.LogCaptureFixture) -> None:
    made, data = learner("ewc", 3, net=Peeking()), step(0, 7, 3).batch
    with caplog.at_level("INFO"):
        found = made.fisher_of(data)
    assert "ewc: gradients are taken one example after the other (" in caplog.text
    right = learner("ewc", 3).fisher_of(data)
    torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-14)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, data = learner("ewc", 3), step(0, 7, 3).batch
    whole = made.fisher_of(data)
    monkeypatch.setattr("tlml_continual.ewc._NUMBERS", 2 * len(made.importance))
    torch.testing.assert_close(made.fisher_of(data), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["empirical", "exact"])
def test_classes_of_other_tasks_don_t_count_where_the_task_is_told(kind: str) -> None:
    made = tlml.learner("ewc", network=network(6), fisher=kind)
    on_stream(made, scenario="task")
    data = Batch(step(0, 6).batch.x, torch.tensor([2, 3, 2, 3, 3, 2]))
    found = made.fisher_of(data, task=1)

    def own_loss(one: Tensor, label: int) -> Tensor:
        return F.cross_entropy(made.network(one[None])[:, 2:4], torch.tensor([label - 2]))

    total = torch.zeros_like(found)
    for x, y in zip(*data, strict=True):
        shares = made.network(x[None])[0, 2:4].softmax(0).detach()
        labels = [(int(y), 1.0)] if kind == "empirical" else list(zip((2, 3), shares, strict=True))
        for label, share in labels:
            total += share * slopes(made, own_loss(x, label)).square()
    torch.testing.assert_close(found, total / 6, rtol=1e-10, atol=1e-14)


def test_the_end_of_a_task_sums_fisher_matrices_and_moves_the_anchor() -> None:
    made = tlml.learner("ewc", network=network(6), decay=0.7)
    view = on_stream(made, samples=12)._trainer.datamodule
    sums = torch.zeros_like(made.importance)
    for task in range(2):
        data = view.learned_from(task)
        sums = 0.7 * sums + by_hand(made, Batch(data.x.double(), data.y), "empirical", 0)
        made.consolidate(task)
        torch.testing.assert_close(made.importance, sums, rtol=1e-9, atol=1e-12)
        assert torch.equal(made.anchor, flat(made.network.parameters()))
        move(made, 1.3)


def test_the_loss_has_half_the_weighted_distance() -> None:
    made, own = learner("ewc", 3, strength=0.4), step(1, 5, 3)
    assert made.glance_loss(own) == loss_on(made, *own.batch)
    rng = torch.Generator().manual_seed(9)
    made.importance.copy_(torch.rand(len(made.importance), generator=rng))
    start = [parameter.detach().clone() for parameter in made.network.parameters()]
    move(made, 1.3)
    right, place = float(loss_on(made, *own.batch).detach()), 0
    for parameter, first in zip(made.network.parameters(), start, strict=True):
        size = parameter.numel()
        weights = made.importance[place : place + size].view_as(parameter)
        right += float((0.2 * weights * (parameter.detach() - first) ** 2).sum())
        place += size
    assert made.glance_loss(own).item() == pytest.approx(right, rel=1e-12)


def test_classes_have_probabilities_and_values_have_none() -> None:
    made = tlml.learner("ewc", network=network(), fisher="exact")
    with fails(
        "fisher: 'exact' is of the classes' probabilities, and the loss here has none (its targets "
        "are values); take 'empirical', or 'batch'"
    ):
        made.view(Tables())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fisher": "true"}, "fisher: 'true' is not one of empirical, batch, exact, sampled"),
        ({"strength": -1}, "strength: must be at least 0, is -1"),
        ({"decay": -0.5}, "decay: must be at least 0, is -0.5"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with fails(message):
        tlml.learner("ewc", **options)

"""Learning without forgetting against its equations, example by example."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from continual_steps import learner, move, network, on_stream, step
from refusals import fails
from tiny import Norms
from torch import Tensor
from torch.nn import functional as F

import tlml
from tlml.data import Batch, Step


def by_hand(scores: Tensor, old: Tensor, heads: list[list[int]], temperature: float) -> float:
    """Return −Σ over heads of the mean over examples of Σ_c y'_c log ŷ'_c (equations 2 and 3)."""
    total = 0.0
    for row in range(len(scores)):
        for head in heads:
            was = (old[row, head] / temperature).exp()
            now = (scores[row, head] / temperature).exp()
            total -= float((was / was.sum() * (now / now.sum()).log()).sum())
    return total / len(scores)


def test_nothing_is_distilled_in_the_first_task() -> None:
    made, own = learner("lwf", 3), step(0, 5, 3)
    assert made.glance_loss(own) == F.cross_entropy(made.network(own.batch.x), own.batch.y)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_shared_classes_are_distilled_together(temperature: float) -> None:
    made, own = learner("lwf", 3, strength=0.7, temperature=temperature), step(1, 5, 3)
    made.consolidate(0)
    old = made.network(own.batch.x).detach()
    move(made, 1.5)
    scores = made.network(own.batch.x).detach()
    right = F.cross_entropy(scores, own.batch.y).item()
    right += 0.7 * by_hand(scores, old, [[0, 1, 2]], temperature)
    assert made.glance_loss(own).item() == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize(
    ("scenario", "heads"), [(None, [[0, 1, 2, 3]]), ("task", [[0, 1], [2, 3]])]
)
def test_old_classes_are_distilled_and_each_task_s_apart_where_it_is_told(
    scenario: Any, heads: list[list[int]]
) -> None:
    made = on_stream(tlml.learner("lwf", network=network(6)), scenario=scenario)
    made.consolidate(1)
    own = Step(Batch(step(2).batch.x, torch.tensor([4, 5, 5, 4, 4])), torch.full((5,), 2))
    old = made.network(own.batch.x).detach()
    move(made, 1.5)
    scores = made.network(own.batch.x).detach()
    mine = slice(4, 6) if scenario else slice(0, 6)
    right = F.cross_entropy(scores[:, mine], own.batch.y - mine.start).item()
    right += by_hand(scores, old, heads, 2.0)
    assert made.glance_loss(own).item() == pytest.approx(right, rel=1e-12)


def test_of_values_the_squared_distance_is_taken() -> None:
    made, own = learner("lwf", strength=0.3), step(1)
    made.consolidate(0)
    old = made.network(own.batch.x).detach()
    move(made, 1.5)
    scores = made.network(own.batch.x).detach()
    right = (scores - own.batch.y).square().mean() + 0.3 * (scores - old).square().mean()
    assert made.glance_loss(own).item() == pytest.approx(right.item(), rel=1e-12)


def test_the_teacher_stays_with_its_statistics_and_learns_nothing() -> None:
    made = learner("lwf", 3, net=Norms(2, 3))
    made.glance_loss(step(0, 5, 3))  # moves the statistics
    made.consolidate(0)
    own = step(1, 5, 3)
    right = copy.deepcopy(made.network).eval()(own.batch.x)
    move(made, 1.5)
    made.glance_loss(own).backward()
    assert torch.equal(made.taught(own.batch.x), right)
    assert made.network.training
    assert not made.taught(own.batch.x).requires_grad
    assert len(list(made.parameters())) == len(list(made.network.parameters()))


def test_the_teacher_is_saved() -> None:
    made, other = learner("lwf", 3), learner("lwf", 3)
    made.consolidate(0)
    move(made, 1.5)
    other.load_state_dict(made.state_dict())
    x = step(1).batch.x
    assert torch.equal(other.taught(x), made.taught(x))
    assert int(other.learned) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature: must be greater than 0, is 0"),
        ({"strength": -1}, "strength: must be at least 0, is -1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with fails(message):
        tlml.learner("lwf", **options)

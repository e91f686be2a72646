"""Losses by the space of targets."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from gymnasium.spaces import MultiBinary
from measures import CLASSES, VALUES, message
from torch.func import grad, vmap

from tlml.metrics import (
    LOSSES,
    criterion,
    loss_for,
    primary,
    task_metrics,
)


def test_the_loss_follows_the_targets():
    scores = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    y = torch.tensor([0, 2])
    by_hand = -sum(
        math.log(math.exp(row[label]) / sum(math.exp(v) for v in row))
        for row, label in zip(scores.tolist(), y.tolist(), strict=True)
    )
    for integers in (y, y.int(), y.to(torch.uint8)):
        assert criterion(scores, integers).item() == pytest.approx(by_hand / 2)
    values = torch.tensor([[1.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    assert criterion(scores, values).item() == pytest.approx((1 + 4) / 6)
    assert criterion(scores, values.double()).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 9) / 2),
        ("l1", (0.5 + 3) / 2),
        ("huber", (0.125 + 2.5) / 2),
        ("smooth_l1", (0.125 + 2.5) / 2),
        ("bce", (math.log1p(math.exp(0.5)) - 0.5 * 1 + math.log1p(math.exp(3)) - 3 * 0) / 2),
    ],
)
def test_named_losses_are_means_of_the_textbook_ones(name, expected):
    scores = torch.tensor([0.5, 3.0])
    y = torch.tensor([1.0, 0.0]) if name == "bce" else torch.zeros(2)
    assert criterion(scores, y, name).item() == pytest.approx(expected)


def test_cross_entropy_takes_probabilities():
    scores, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    expected = -0.5 * torch.log_softmax(scores, -1).sum()
    assert criterion(scores, y, "cross_entropy").item() == pytest.approx(expected.item())


def test_losses_of_spaces_pickle_and_follow_the_name():
    loss = pickle.loads(pickle.dumps(loss_for(VALUES, "l1")))
    assert loss(torch.zeros(2, 2), torch.full((2, 2), -3.0)).item() == 3.0
    scores, y = torch.zeros(2, 3), torch.tensor([0, 1])
    assert loss_for(CLASSES)(scores, y).item() == pytest.approx(math.log(3))
    assert loss_for(CLASSES, "cross_entropy")(scores, y).item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("y", [torch.tensor([[0, 1], [2, 1]]), torch.rand(2, 2, 3)])
def test_losses_run_under_vmap_of_grad(y):
    scores = torch.rand(2, 2, 3)
    stacked = vmap(grad(criterion))(scores, y)
    assert torch.allclose(stacked[1], grad(criterion)(scores[1], y[1]))


@pytest.mark.parametrize(
    ("scores", "y", "name", "expected"),
    [
        ((4,), (4, 1), None, "loss mse: needs equal shapes, scores are [4] and targets [4, 1]"),
        ((4, 1), (4,), "l1", "loss l1: needs equal shapes, scores are [4, 1] and targets [4]"),
        (
            (4, 3),
            (4,),
            "cross_entropy",
            "loss cross_entropy: needs equal shapes, scores are [4, 3] and targets [4]",
        ),
    ],
)
def test_values_of_other_shapes_are_never_broadcast(scores, y, name, expected):
    assert message(criterion, torch.zeros(scores), torch.zeros(y), name) == expected


@pytest.mark.parametrize(("scores", "y"), [((4, 3), (4, 1)), ((4,), (4,)), ((4, 3), (3,))])
def test_classes_of_other_shapes_are_refused(scores, y):
    expected = (
        "needs scores [n, classes] and classes [n], "
        f"scores are {list(scores)} and targets {list(y)}"
    )
    arguments = torch.zeros(scores), torch.zeros(y, dtype=torch.int64)
    assert message(criterion, *arguments) == f"loss cross_entropy: {expected}"
    assert message(task_metrics, CLASSES, *arguments) == f"accuracy: {expected}"


def test_losses_that_do_not_fit_are_refused_before_training():
    expected = "no loss is called 'msee'; did you mean mse?"
    assert message(loss_for, VALUES, "msee") == expected
    assert message(criterion, torch.zeros(1), torch.zeros(1), "msee") == expected
    assert message(loss_for, CLASSES, "mse") == (
        "loss mse: compares values, the targets are Discrete(3); use cross_entropy"
    )
    expected = "targets must be Discrete (classes) or a Box (values), the space is MultiBinary(2)"
    assert message(loss_for, MultiBinary(2)) == expected
    assert message(primary, MultiBinary(2)) == expected


def test_every_loss_exists_in_torch():
    assert all(hasattr(torch.nn.functional, function) for function in LOSSES.values())

"""Learners that rehearse: naive, joint, ER and DER++."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from refusals import fails
from tiny import Tables
from torch import Tensor, nn
from torch.nn import functional as F
from trainers import quiet_trainer

import tlml
from tlml import StreamView
from tlml.data import Batch, Step
from tlml_continual.memories.reservoir import ReservoirBuffer


def step(first: int, n: int = 4) -> Step:
    rng = torch.Generator().manual_seed(first)
    x = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    return Step(Batch(x, x.sum(1, keepdim=True).sin()), torch.full((n,), first))


def learner(name: str, **options: Any) -> Any:
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    made = tlml.learner(name, network=net, lr=0.1, **options)
    made.view(Tables())
    return made.double()


def test_naive_takes_the_loss_of_what_comes() -> None:
    made, own = learner("naive"), step(0)
    assert made.glance_loss(own) == F.mse_loss(made.network(own.batch.x), own.batch.y)


def test_replay_is_one_mean_over_own_and_old_examples() -> None:
    made, old, own = learner("er", memory_size=6, replay=3), step(0), step(1)
    assert made.glance_loss(own) == F.mse_loss(made.network(own.batch.x), own.batch.y)
    made.remember(old)
    torch.manual_seed(5)
    found = made.glance_loss(own)
    torch.manual_seed(5)
    rows = torch.randint(4, (3,))
    errors = [(made.network(x) - y).square() for x, y in zip(*own.batch, strict=True)]
    errors += [(made.network(old.batch.x[row]) - old.batch.y[row]).square() for row in rows]
    assert found.item() == pytest.approx(
        sum(float(error.detach()) for error in errors) / 7, rel=1e-12
    )


def test_dark_replay_pulls_to_what_was_given_and_to_targets() -> None:
    made, old, own = learner("der", alpha=0.3, beta=0.7, memory_size=6, replay=2), step(0), step(1)
    assert made.glance_loss(old) == F.mse_loss(made.network(old.batch.x), old.batch.y)
    made.remember(old)
    given = made.network(old.batch.x).detach()
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.mul_(1.1)
    torch.manual_seed(5)
    found = made.glance_loss(own)
    torch.manual_seed(5)
    first, second = torch.randint(4, (2,)), torch.randint(4, (2,))

    def mean(rows: Tensor, targets: Tensor) -> float:
        return F.mse_loss(made.network(old.batch.x[rows]), targets[rows]).item()

    right = F.mse_loss(made.network(own.batch.x), own.batch.y).item()
    right += 0.3 * mean(first, given) + 0.7 * mean(second, old.batch.y)
    assert found.item() == pytest.approx(right, rel=1e-12)


def test_glances_are_steps_within_a_batch() -> None:
    """Two looks with plain steps, and the Trainer counts batches."""
    made = tlml.learner("naive", network=nn.Linear(2, 1), lr=0.1, glances=2)
    view = made.view(Tables(), batch_size=4)
    start = [p.detach().clone() for p in made.network.parameters()]
    trainer = quiet_trainer(max_steps=3, max_epochs=-1, limit_val_batches=0)
    trainer.fit(made, view)
    assert trainer.global_step == 3
    weight, bias = start
    batches = StreamView(Tables(), batch_size=4).train_dataloader()  # of no Trainer: from the start
    for own in islice(batches, 3):
        for _ in range(2):
            weight, bias = weight.requires_grad_(), bias.requires_grad_()
            loss = F.mse_loss(F.linear(own.batch.x, weight, bias), own.batch.y)
            slopes = torch.autograd.grad(loss, (weight, bias))
            weight = weight.detach() - 0.1 * slopes[0]
            bias = bias.detach() - 0.1 * slopes[1]
    torch.testing.assert_close(made.network.weight, weight)
    torch.testing.assert_close(made.network.bias, bias)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("er", {"memory_size": 5, "replay": 6},
         "replay: 6 examples of a memory of 5 can't be drawn; lower replay, or raise memory_size"),
        ("der", {"alpha": 0, "beta": 0},
         "alpha, beta: both are 0, so nothing is rehearsed; take learner naive"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(name: str, options: Any, message: str) -> None:
    with fails(message):
        learner(name, **options)


def test_what_cannot_be_learned_is_refused_before_training() -> None:
    trainer = quiet_trainer(max_epochs=-1)
    made = learner("er", memory_size=1000).float()
    with fails(
        "memory_size: 1000 examples are more than the stream's 30, so that nothing could be "
        "forgotten; lower it"
    ):
        trainer.fit(made, made.view(Tables()))
    made = tlml.learner("joint", network=nn.Linear(2, 1))
    with fails(
        "joint: it learns from all tasks at once, and here they come one after the other; take "
        "StreamView(joint=True), or the learner naive"
    ):
        trainer.fit(made, made.view(Tables(), joint=False))
    made = learner("er", memory_size=10).float()
    made.other = ReservoirBuffer(5, made.view_spaces)
    with fails(
        "er: it owns 2 memories; a learner has one, which all its parts share, or the second would "
        "be filled unseen"
    ):
        trainer.fit(made, made.view(Tables()))


@pytest.mark.parametrize("name", ["naive", "er", "joint"])
def test_suites_ask_before_there_is_a_trainer(name: str) -> None:
    options = {"memory_size": 6, "replay": 3} if name == "er" else {}
    made = tlml.learner(name, network=nn.Linear(2, 1), glances=2, **options)
    made.check(made.view(Tables(), batch_size=4))

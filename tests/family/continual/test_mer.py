"""MER against algorithm 1 of its paper, written out in loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from refusals import fails, stops
from tiny import Norms, Tables
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml.data import Batch, Step

OPTIONS: dict[str, Any] = {"lr": 0.1, "s": 3, "beta": 0.4, "gamma": 0.7}


def learner(**options: Any) -> Any:
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    made = tlml.learner("mer", network=net, **{**OPTIONS, **options})
    made.view(Tables())
    return made.double()


def examples(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return x, x.sum(1, keepdim=True).sin()


def stepped(theta: list[Tensor], x: Tensor, y: Tensor, lr: float) -> list[Tensor]:
    """SGD(x, y, θ, α) for the network above."""
    w1, b1, w2, b2 = leaves = [t.clone().requires_grad_() for t in theta]
    loss = (w2 @ torch.tanh(w1 @ x + b1) + b2 - y).square().mean()
    slopes = torch.autograd.grad(loss, leaves)
    return [t - lr * slope for t, slope in zip(theta, slopes, strict=True)]


def part_of_the_way(start: list[Tensor], end: list[Tensor], share: float) -> list[Tensor]:
    return [a + share * (b - a) for a, b in zip(start, end, strict=True)]


def algorithm_1(
    theta: list[Tensor], x: Tensor, y: Tensor, *, capacity: int, replay: int, current: str
) -> tuple[list[Tensor], list[Any]]:
    """Return θ and M after a stream, with the draws of torch's generator."""
    memory: list[Any] = []
    for age, new in enumerate(zip(x, y, strict=True)):
        batches = []
        for _ in range(OPTIONS["s"]):
            rows = torch.randint(len(memory), (replay,)).tolist() if memory else []
            old = [memory[row] for row in rows]
            batches.append([*old, new] if current == "last" else [new, *old])
        across = theta
        for batch in batches:
            within = theta
            for one in batch:
                theta = stepped(theta, *one, lr=OPTIONS["lr"])
            theta = part_of_the_way(within, theta, OPTIONS["beta"])
        theta = part_of_the_way(across, theta, OPTIONS["gamma"])
        drawn = torch.rand(1, dtype=torch.float64).item()
        place = age if age < capacity else int(drawn * (age + 1))
        if age < capacity:
            memory.append(new)
        elif place < capacity:
            memory[place] = new
    return theta, memory


@pytest.mark.parametrize("current", ["last", "first"])
def test_it_is_algorithm_1(current: str) -> None:
    made = learner(memory_size=4, replay=2, current=current)
    theta = [p.detach().clone() for p in made.network.parameters()]
    x, y = examples(9)
    torch.manual_seed(8)
    for rows in torch.arange(9).split(3):
        made.update(Step(Batch(x[rows], y[rows]), torch.zeros(3, dtype=torch.int64)))
    torch.manual_seed(8)
    theta, memory = algorithm_1(theta, x, y, capacity=4, replay=2, current=current)
    for found, expected in zip(made.network.parameters(), theta, strict=True):
        torch.testing.assert_close(found.detach(), expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(made.buffer.x, torch.stack([x for x, _ in memory]))
    assert int(made.buffer.age) == 9


def test_frozen_parameters_stay() -> None:
    made = learner(memory_size=4, replay=2)
    made.network[0].requires_grad_(False)
    before = {name: p.detach().clone() for name, p in made.network.named_parameters()}
    x, y = examples(3)
    made.update(Step(Batch(x, y), torch.zeros(3, dtype=torch.int64)))
    same = {n: torch.equal(p, before[n]) for n, p in made.network.named_parameters()}
    assert same == {"0.weight": True, "0.bias": True, "2.weight": False, "2.bias": False}


def test_the_trainer_counts_batches_and_its_optimiser_changes_nothing() -> None:
    made = learner(memory_size=10, replay=2).float()
    view = made.view(Tables(), batch_size=4)
    trainer = quiet_trainer(max_steps=5, max_epochs=-1, limit_val_batches=0)
    trainer.fit(made, view)
    assert trainer.global_step == 5
    assert int(made.buffer.age) == 4 + 4 + 2 + 4 + 4  # tasks of ten examples
    assert all(p.grad is None for p in made.network.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"current": "middle"}, "current: 'middle' is not one of first, last"),
        ({"s": 0}, "s: must be greater than 0, is 0"),
        ({"momentum": 0.9},
         "momentum: mer takes no steps that it could be of; leave it out"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options: Any, message: str) -> None:
    with fails(message):
        learner(**options)


def test_a_loss_that_is_not_finite_stops_it() -> None:
    made = learner(lr=1e200)
    x, y = examples(2)
    with fails("mer: the loss is nan in step 0; lower lr (1e+200)"):
        made.update(Step(Batch(x, y), torch.zeros(2, dtype=torch.int64)))


def test_normalising_by_one_example_is_refused_where_it_cannot_be() -> None:
    made = tlml.learner("mer", network=Norms(2, 1), memory_size=10)
    trainer = quiet_trainer(max_steps=1)
    with stops("mer: it steps on single examples, and BatchNorm can't take statistics of one ("):
        trainer.fit(made, made.view(Tables()))

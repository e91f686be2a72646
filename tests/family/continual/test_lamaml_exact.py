"""La-MAML, its synchronous form and C-MAML against a slow implementation, on all paths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lamaml_sides import (
    KINDS,
    ORDERS,
    PATHS,
    VARIANTS,
    distance,
    draws,
    every,
    look,
    network,
    sides,
)
from torch import Tensor

import tlml


@pytest.mark.parametrize(
    ("kind", "variant", "order", "path"), every(KINDS, VARIANTS, ORDERS, PATHS)
)
def test_trajectories_are_those_of_the_slow_implementation(
    kind: str, variant: str, order: str, path: str
) -> None:
    options = {} if kind == "cmaml" else {"alpha_lr": 2.0 if variant == "official" else 0.2}
    learner, slow = sides(kind, variant=variant, order=order, path=path, **options)
    for number in range(12):
        own, replay = draws(number, replay=None if number == 0 else 3)
        loss = learner.meta_update(own, replay)
        assert loss.item() == pytest.approx(look(slow, own, replay), rel=1e-9)
    assert distance(learner.network.parameters(), slow.theta) < 1e-9
    assert distance(learner.alpha.values(), slow.alpha) < 1e-9
    if kind != "cmaml":
        rates = torch.cat([rate.flatten() for rate in learner.alpha.values()])
        assert rates.unique().numel() > 50
        assert kind != "lamaml" or variant == "paper" or bool((rates < 0).any())


@pytest.mark.parametrize(
    "options",
    [
        {"inner_clip": 0.05}, {"inner_batch": 2}, {"inner_relu": False},
        {"loss_at": "last"}, {"grad_clip_norm": 0.0},
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("path", ["plain", "adjoint", "auto"])
def test_every_option_alone_does_what_it_says(
    options: dict[str, Any], order: str, path: str
) -> None:
    learner, slow = sides("lamaml", order=order, path=path, alpha_lr=0.1, **options)
    slow.loss_at = options.get("loss_at", "mean")
    for number in range(4):
        own, replay = draws(number)
        learner.meta_update(own, replay)
        look(slow, own, replay)
    assert distance(learner.network.parameters(), slow.theta) < 1e-9
    assert distance(learner.alpha.values(), slow.alpha) < 1e-9


@pytest.mark.parametrize(("variant", "order"), every(VARIANTS, ORDERS))
def test_one_step_in_float32_is_that_of_float64(variant: str, order: str) -> None:
    """From many states: where a trajectory of the exact side passes."""
    learner, slow = sides("lamaml", variant=variant, order=order, grad_clip_norm=1.0, alpha_lr=0.05)
    single = tlml.learner(
        "lamaml", network=network(), variant=variant, order=order, grad_clip_norm=1.0,
        alpha_lr=0.05, alpha_init=0.3,
    ).float()  # fmt: skip
    for number in range(20):
        own, replay = draws(number)
        for mine, theirs in ((single.network.parameters(), slow.theta),
                             (single.alpha.values(), slow.alpha)):  # fmt: skip
            for to, value in zip(mine, theirs, strict=True):
                to.data.copy_(value)
                value.data.copy_(to)  # both from the same float32
        look(slow, own, replay)
        single.meta_update(own, replay)
        assert distance([flat(single.network.parameters())], [flat(slow.theta)]) < 1e-6
        assert distance([flat(single.alpha.values())], [flat(slow.alpha)]) < 3e-6
    assert learner.alpha.keys() == single.alpha.keys()


def flat(values: Any) -> Tensor:
    return torch.cat([value.detach().flatten().double() for value in values])

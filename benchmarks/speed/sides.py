"""Who is timed: tlml's variants, a loop by hand, and learn2learn; each does one outer step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import tlml
from benchmarks.speed import workload
from benchmarks.speed.cases import OWN, Case
from tlml import Episode, GradientLearner
from tlml.data import tasks_of

PLAIN, LEARN2LEARN = "plain", "learn2learn"


@dataclass(frozen=True)
class Side:
    """A way to compute a case's outer step.

    Args:
        module: Whose parameters get the gradient.
        step: Forward and backward over all tasks of an episode; gradients are added up.
    """

    module: nn.Module
    step: Callable[[Episode], None]

    def on(self, episode: Episode) -> Callable[[], None]:
        """Return the step on an episode, which forgets the gradient of the one before."""

        def step() -> None:
            self.module.zero_grad()
            self.step(episode)

        return step


def side(case: Case, name: str, peer: Any = None) -> Side:
    """Return a side by name: a variant of the case, ``plain``, or ``learn2learn``.

    Args:
        case: What it computes.
        name: The side's.
        peer: learn2learn's `MAML`, for that side.
    """
    if name in case.variants:
        return _tlml(case, name)
    network = workload.usual(case)
    if name == PLAIN:
        return Side(network, lambda episode: _over_tasks(_by_hand(network, case), episode))
    maml = peer(network, lr=case.lr, first_order=case.first_order)
    return Side(network, lambda episode: _over_tasks(_learn2learn(maml, case), episode))


def _tlml(case: Case, variant: str) -> Side:
    learner = tlml.learner(
        "maml",
        network=workload.own(case) if variant == OWN else workload.network(case),
        strategy=tlml.strategy("sgd", lr=case.lr, steps=case.steps),
        first_order=case.first_order,
        **case.variants[variant],
    )
    assert isinstance(learner, GradientLearner)
    return Side(learner, lambda episode: torch.autograd.backward(learner.meta_loss(episode)))


def _over_tasks(task_loss: Callable[[Episode], Tensor], episode: Episode) -> None:
    """Go back after each task, as learn2learn's examples do: one graph is there at a time."""
    tasks = tasks_of(episode)
    for task in tasks:
        torch.autograd.backward(task_loss(task) / len(tasks))


def _by_hand(network: nn.Module, case: Case) -> Callable[[Episode], Tensor]:
    def task_loss(task: Episode) -> Tensor:
        params = {name: value.clone() for name, value in network.named_parameters()}
        for _ in range(case.steps):
            loss = _loss(functional_call(network, params, (task.support.x,)), task.support.y)
            slopes = torch.autograd.grad(
                loss, list(params.values()), create_graph=not case.first_order
            )
            pairs = zip(params.items(), slopes, strict=True)
            params = {name: value - case.lr * slope for (name, value), slope in pairs}
        return _loss(functional_call(network, params, (task.query.x,)), task.query.y)

    return task_loss


def _learn2learn(maml: Any, case: Case) -> Callable[[Episode], Tensor]:
    def task_loss(task: Episode) -> Tensor:
        clone = maml.clone()
        for _ in range(case.steps):
            clone.adapt(_loss(clone(task.support.x), task.support.y))
        return _loss(clone(task.query.x), task.query.y)

    return task_loss


def _loss(scores: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)

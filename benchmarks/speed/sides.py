"""Who is timed: tlml's variants, a loop by hand, and learn2learn; each does one outer step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

import tlml
from benchmarks.speed import workload
from benchmarks.speed.cases import OWN, Case, Images
from tlml import Batch, Episode, GradientLearner
from tlml.data import tasks_of

PLAIN, LEARN2LEARN = "plain", "learn2learn"
FUNC, STACKED = "torch.func", "baddbmm"  # all tasks at once, by hand
OUR_NETWORK, CHANNELS_LAST = "learn2learn, our network", "learn2learn, channels-last"


def peers(case: Case, learn2learn: bool) -> list[str]:
    """Return the names of the others that a case is held against.

    Args:
        case: What they compute.
        learn2learn: Whether it is there.
    """
    images = isinstance(case.data, Images)
    of_it = [LEARN2LEARN, *([OUR_NETWORK, CHANNELS_LAST] if images else [])]
    return [PLAIN, *([] if images else [FUNC, STACKED]), *(of_it if learn2learn else [])]


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
    """Return a side by name: a variant of the case, or one of its peers.

    Args:
        case: What it computes.
        name: The side's.
        peer: learn2learn's `MAML`, for its sides.
    """
    if name in case.variants:
        return _tlml(case, name)
    network = workload.network(case) if name == OUR_NETWORK else workload.usual(case)
    if name == FUNC:
        return Side(network, lambda episode: _by_func(network, case, episode))
    if name == STACKED:
        return Side(network, lambda episode: _by_baddbmm(network, case, episode))
    if name == PLAIN:
        return Side(network, lambda episode: _over_tasks(_by_hand(network, case), episode))
    if name == CHANNELS_LAST:
        network.to(memory_format=torch.channels_last)
    maml = peer(network, lr=case.lr, first_order=case.first_order)
    loss = _learn2learn(maml, case)
    if name == CHANNELS_LAST:
        return Side(
            network, lambda episode: _over_tasks(lambda t: loss(_channels_last(t)), episode)
        )
    return Side(network, lambda episode: _over_tasks(loss, episode))


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


def _channels_last(task: Episode) -> Episode:
    support, query = (
        Batch(batch.x.to(memory_format=torch.channels_last), batch.y) for batch in task
    )
    return Episode(support, query)


def _by_func(network: nn.Module, case: Case, episode: Episode) -> None:
    """Let torch.func batch one task's loss over all tasks, and differentiate that."""
    params = {name: value.detach() for name, value in network.named_parameters()}

    def loss(own: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return _loss(functional_call(network, own, (x,)), y)

    def task_loss(own: dict[str, Tensor], task: Episode) -> Tensor:
        for _ in range(case.steps):
            slopes = grad(loss)(own, *task.support)
            if case.first_order:
                slopes = {name: slope.detach() for name, slope in slopes.items()}
            own = {name: value - case.lr * slopes[name] for name, value in own.items()}
        return loss(own, *task.query)

    def total(own: dict[str, Tensor]) -> Tensor:
        found: Tensor = vmap(task_loss, in_dims=(None, 0))(own, episode).mean()
        return found

    slopes = grad(total)(params)
    for name, value in network.named_parameters():
        value.grad = slopes[name]


def _by_baddbmm(network: nn.Module, case: Case, episode: Episode) -> None:
    """Stack the weights of an MLP for all tasks, and step them together."""
    tasks = len(episode.support.x)
    parameters = list(network.parameters())
    values = [value.expand(tasks, *value.shape) for value in parameters]

    def loss(own: list[Tensor], batch: Batch) -> Tensor:
        x = batch.x
        for place in range(0, len(own), 2):
            x = torch.baddbmm(own[place + 1][:, None], x, own[place].mT)
            x = x if place + 2 == len(own) else x.relu()
        return F.mse_loss(x, batch.y) * tasks

    for _ in range(case.steps):
        slopes = torch.autograd.grad(
            loss(values, episode.support), values, create_graph=not case.first_order
        )
        values = [value - case.lr * slope for value, slope in zip(values, slopes, strict=True)]
    torch.autograd.backward(loss(values, episode.query) / tasks)


def _loss(scores: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)

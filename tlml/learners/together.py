"""Several tasks of an evaluation, adapted to at once where that is known to be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from tlml.data.tasks import Batch, Episode, Params
from tlml.errors import TlmlError
from tlml.learners.adapter import TargetAdapter
from tlml.meta.contract import MetaLearner
from tlml.meta.path import split_tasks
from tlml.meta.problem import InnerProblem
from tlml.meta.stacked import StackPath
from tlml.meta.stacked_calls import Unstackable, can_stack_calls
from tlml.meta.stacked_layers import stacked_layers
from tlml.metrics.seconds import Seconds, now
from tlml.networks.modes import constant
from tlml.strategies.strategy import Strategy, has_terms, overrides

# What a strategy leaves as it is whose steps take each element of the parameters by itself.
_STEPPING = ("steps", "adapt", "begin")


class Prediction(NamedTuple):
    """What was predicted for a task.

    Args:
        scores: Of its query.
        steps: How many gradient steps were taken.
        spent: Its share of the time that all took together.
    """

    scores: Tensor
    steps: int
    spent: Seconds


class Together:
    """Adapts to tasks of equal sizes at once, on parameters with a leading dimension of tasks.

    Optimisers step each element by itself, so that what comes of each task is what would come of it
    alone, but for rounding.

    Args:
        learner: Whose predictions these are.
        adapter: What adapts.
        x: Inputs of one task ``[n, ...]``, to try a network of unknown layers on.

    Attributes:
        lack: Why tasks are taken one by one; empty where they are not.
    """

    def __init__(self, learner: MetaLearner, adapter: TargetAdapter, x: Tensor) -> None:
        self.learner, self.adapter = learner, adapter
        self.path, self.lack = _path(learner, adapter, x)

    def predictions(
        self, tasks: Sequence[Episode], keys: Sequence[tuple[int, ...]]
    ) -> list[Prediction] | None:
        """Return what is predicted for each task; None where they can't be taken together.

        Args:
            tasks: Of equal sizes, or they can't.
            keys: What is drawn in adapting to each is a function of its own.
        """
        if self.path is None or len(tasks) < 2 or not _alike(tasks):
            return None
        stacked = _stacked(tasks)
        found: list[Prediction] = []
        try:
            for chunk in split_tasks(stacked, self.learner.chunk_size or len(tasks)):
                first = len(found)
                found += self._predicted(chunk, keys[first : first + len(chunk.support.x)])
        except Unstackable:  # it does something that it didn't when it was tried
            self.path, self.lack = None, "the network's operations are not known to stack"
            return None
        except TlmlError:  # one by one, it says of which episode
            return None
        return found

    def _predicted(self, chunk: Episode, keys: Sequence[tuple[int, ...]]) -> list[Prediction]:
        start, tasks = now(), len(keys)
        adapter, path = self.adapter.turned_to(keys[0]), self.path
        assert path is not None
        problem = self.learner.problem(adapter, replace(path, together=tasks))
        with constant(adapter.strategy):
            params = problem.adapt(self._begun(keys), chunk.support)
        with torch.no_grad():
            scores = problem.scores(params, chunk.query.x)
        spent = (now() - start) / tasks
        return [Prediction(own, adapter.attempt.calls, spent) for own in scores]

    def _begun(self, keys: Sequence[tuple[int, ...]]) -> Params:
        """Return where the tasks start ``[T, *shape]``."""
        if not overrides(self.adapter.strategy, "start"):
            begun = self.adapter.turned_to(keys[0]).start()
            return {name: value.expand(len(keys), *value.shape) for name, value in begun.items()}
        each = [self.adapter.turned_to(key).start() for key in keys]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def _path(learner: MetaLearner, adapter: TargetAdapter, x: Tensor) -> tuple[StackPath | None, str]:
    """Return how tasks are taken together, or None and why they are not."""
    if learner.vectorize in ("loop", "vmap"):
        return None, "as vectorize says"
    kind: type[InnerProblem] = learner.problem_type
    own = learner.own_loss() is not None or kind.predict is not InnerProblem.predict
    if own or not kind.stackable:
        return None, f"{type(learner).__name__} computes its losses in a way of its own"
    if not _steps_each_element(adapter.strategy):
        return None, f"strategy {type(adapter.strategy).__name__} does not say that it is batched"
    network = adapter.network
    if network.training:
        return None, "the network is in training mode, and may draw for each task"
    layers = stacked_layers(network)
    if layers is not None:
        return StackPath(layers=layers), ""
    like = next(network.parameters())
    if can_stack_calls(network, x.to(like.dtype) if x.is_floating_point() else x):
        return StackPath(), ""
    return None, "the network has operations that are not known to run on stacked parameters"


def _steps_each_element(strategy: Strategy) -> bool:
    """Return whether the steps of a strategy on stacked parameters are those on each task's."""
    said: bool | None = getattr(strategy, "batched", None)
    if said is not None:
        return said
    writes = any(overrides(strategy, method) for method in _STEPPING)
    return not (writes or has_terms(strategy, "adaptation") or strategy.unlabelled)


def _alike(tasks: Sequence[Episode]) -> bool:
    """Return whether tasks have equal sizes, and labelled examples."""
    shapes = {(s.x.shape, s.y.shape, q.x.shape, q.y.shape) for s, q in tasks}
    return len(shapes) == 1 and len(tasks[0].support.x) > 0


def _stacked(tasks: Sequence[Episode]) -> Episode:
    def joined(side: int) -> Batch:
        xs, ys = zip(*(task[side] for task in tasks), strict=True)
        return Batch(torch.stack(xs), torch.stack(ys))

    return Episode(joined(0), joined(1))

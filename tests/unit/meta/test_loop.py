"""Tasks one by one, with and without the graph of their steps."""

from __future__ import annotations

import weakref

import torch
from meta_gradients import learner_of, perceptron, same, slopes, waves
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode, Episodes
from tlml.meta import LoopPath
from tlml.networks import mlp
from tlml.testing.toys import LearnedRates


def test_tasks_of_unequal_sizes_are_looped_over_and_averaged():
    learner = learner_of(perceptron(), LearnedRates(steps=2))
    tasks = [Episode(*(Batch(b.x[0], b.y[0]) for b in waves(1, n, n))) for n in (3, 5, 7)]
    found = slopes(learner, Episodes(tasks))
    alone = [
        slopes(learner, Episode(*(Batch(b.x[None], b.y[None]) for b in task))) for task in tasks
    ]
    same(found, {name: sum(one[name] for one in alone) / 3 for name in found})


def test_steps_computed_anew_drop_what_was_dropped():
    found = []
    for memory in ("normal", "low"):
        learner = learner_of(perceptron(nn.Dropout(0.5)), vectorize="loop", memory=memory)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            found.append(slopes(learner, waves()))
    same(*found)


def test_low_memory_keeps_no_graph_of_the_inner_steps():
    """Count what autograd keeps of activations until the outer gradient is taken."""

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

    def kept(memory: str, steps: int) -> int:
        alive: weakref.WeakSet[Kept] = weakref.WeakSet()

        def keep(tensor: Tensor) -> Kept:
            alive.add(one := Kept(tensor))
            return one

        learner = learner_of(
            mlp((2,), 1, hidden=[4, 4]), tlml.strategy("sgd", lr=0.1, steps=steps),
            vectorize="loop", memory=memory,
        )  # fmt: skip
        task = Episode(*(Batch(b.x[0], b.y[0]) for b in waves(1, 300)))
        problem = learner.problem(path=LoopPath(memory=memory))  # type: ignore[arg-type]
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one.tensor):
            loss = problem.task_loss(*task)
        assert loss.requires_grad
        return sum(one.tensor.numel() for one in alive if one.tensor.numel() >= 300)

    query = kept("low", 0)
    assert kept("low", 4) == query
    assert kept("normal", 4) > 4 * query

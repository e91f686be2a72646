"""Which way the tasks of a batch are run, and what each way promises beside equal gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from meta_gradients import learner_of, perceptron
from refusals import stops
from torch import Tensor, nn

import tlml
from tlml import GradientLearner
from tlml.meta import InnerProblem
from tlml.meta.paths import path_for
from tlml.networks import conv4, mlp


class OwnLoss(GradientLearner):
    def loss(self, params: Any, batch: Any) -> Tensor:
        return super().loss(params, batch).sqrt()


class RootProblem(InnerProblem):
    def standard_loss(self, params: Any, batch: Any) -> Tensor:
        return super().standard_loss(params, batch).sqrt()


class OwnProblem(GradientLearner):
    problem_type = RootProblem


class VouchedProblem(RootProblem):
    stackable = True


class Vouched(GradientLearner):
    problem_type = VouchedProblem


@pytest.mark.parametrize(
    ("made", "path", "why"),
    [
        (lambda: learner_of(mlp((2,), 1)), "stack", "every layer is known"),
        (lambda: learner_of(perceptron(nn.LayerNorm(6))), "stack", "every layer is known"),
        (lambda: learner_of(perceptron(nn.GroupNorm(2, 6))), "vmap", "under vmap"),
        (lambda: learner_of(perceptron(nn.PReLU())), "loop", "the network has other layers"),
        (lambda: learner_of(conv4((1, 16, 16), 3, channels=4)), "loop", "other layers"),
        (lambda: learner_of(mlp((2,), 1), tlml.strategy("full")), "loop", "strategy Full does not"),
        (lambda: OwnLoss(mlp((2,), 1), "sgd"), "vmap", "in a way of its own"),
        (lambda: OwnProblem(mlp((2,), 1), "sgd"), "vmap", "in a way of its own"),
        (lambda: Vouched(mlp((2,), 1), "sgd"), "stack", "every layer is known"),
        (lambda: learner_of(mlp((2,), 1), vectorize="loop"), "loop", "as vectorize says"),
        (
            lambda: learner_of(perceptron(nn.GroupNorm(2, 6)), memory="low"),
            "loop",
            "the network has other layers",
        ),
    ],
    ids=[
        "mlp", "layernorm", "groupnorm", "unknown layer", "convolutions", "not batched",
        "own loss", "own problem", "vouched for", "asked for", "low memory",
    ],
)  # fmt: skip
def test_auto_takes_what_is_known_to_be_right(made, path, why):
    chosen = path_for(made())
    assert chosen.name == path
    assert why in chosen.why


def test_watched_and_shared_layers_are_not_stacked():
    watched = mlp((2,), 1)
    watched.head.register_forward_hook(lambda *_: None)
    assert path_for(learner_of(watched)).name == "vmap"
    shared = perceptron()
    shared.append(shared[2])
    assert path_for(learner_of(shared)).name == "vmap"


def test_a_loss_replaced_in_the_object_is_not_stacked():
    learner = learner_of(mlp((2,), 1))
    learner.loss = lambda params, batch: torch.zeros(())  # type: ignore[method-assign]
    assert path_for(learner).name == "vmap"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "low", "vectorize": "vmap"}, "vectorize: 'vmap' does not go with memory='low'"),
        ({"compile": True, "vectorize": "vmap"}, "vectorize: 'vmap' does not go with compile=True"),
        ({"chunk_size": 0}, "chunk_size: must be greater than 0, is 0"),
        ({"memory": "tiny"}, "memory: 'tiny' is not one of normal, low"),
        ({"vectorize": "fast"}, "vectorize: 'fast' is not one of auto, vmap, stack, loop"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(options, message):
    with stops(message):
        learner_of(mlp((2,), 1), **options)

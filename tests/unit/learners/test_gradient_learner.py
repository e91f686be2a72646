"""Learners that adapt and differentiate: their options, losses and predictions."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from meta_gradients import learner_of, perceptron, waves
from refusals import fails
from torch import nn
from torch.func import functional_call

import tlml
from tlml import Batch, GradientLearner, TlmlError
from tlml.testing.toys import Descent


def task() -> tuple[Batch, Batch]:
    support, query = waves(tasks=1)
    return Batch(support.x[0], support.y[0]), Batch(query.x[0], query.y[0])


def test_the_loss_is_that_of_the_network_with_given_parameters() -> None:
    learner, (support, _) = learner_of(perceptron()), task()
    params = {name: torch.zeros_like(p) for name, p in learner.built().named_parameters()}
    torch.testing.assert_close(learner.loss(params, support), (support.y**2).mean())
    scores = learner.scores(dict(learner.built().named_parameters()), support.x)
    torch.testing.assert_close(scores, learner.built()(support.x))


def test_adapting_takes_the_strategys_steps_and_leaves_the_network() -> None:
    learner, (support, query) = learner_of(perceptron(), Descent(lr=0.1, steps=2)), task()
    before = {name: p.detach().clone() for name, p in learner.built().named_parameters()}
    adapted = learner.adapted(support)
    with torch.no_grad():
        now = learner.loss(dict(learner.built().named_parameters()), support)
        assert learner.loss(adapted, support) < now
    assert all(torch.equal(p, before[name]) for name, p in learner.built().named_parameters())
    expected = functional_call(learner.built(), dict(adapted), (query.x,))
    torch.testing.assert_close(learner.predict(support, query.x), expected)


def test_the_meta_loss_is_the_query_loss_after_adapting() -> None:
    learner, batch = learner_of(perceptron(), Descent(lr=0.1, steps=2)), waves(tasks=2)
    losses = []
    for i in range(2):
        support, query = (Batch(part.x[i], part.y[i]) for part in batch)
        losses.append(learner.loss(learner.adapted(support), query))
    torch.testing.assert_close(learner.meta_loss(batch), torch.stack(losses).mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": 0}, "chunk_size: must be greater than 0, is 0"),
        ({"memory": "tiny"}, "memory: 'tiny' is not one of normal, low"),
        ({"vectorize": "fast"}, "vectorize: 'fast' is not one of auto, vmap, stack, loop"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        GradientLearner(perceptron(), Descent(), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "works"),
    [
        ({"shots": 1}, False),
        ({"shots": 2}, True),
        ({"shots": [1, 3]}, False),
        ({"shots": 2, "queries": 1}, False),
    ],
)
def test_one_example_for_batchnorm_is_told_before_training(
    options: dict[str, Any], works: bool
) -> None:
    network = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for batchnorm in ("batch", "stored"):
        learner: Any = tlml.learner("maml", network=network, batchnorm=batchnorm)
        view = learner.view(tlml.domain("sinusoid"), **options)
        told = pytest.raises(
            TlmlError, match=r"^BatchNorm can't take statistics of 1 example; take"
        )
        with nullcontext() if works or batchnorm == "stored" else told:
            learner.check(view)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def test_a_learner_that_does_not_act_says_so_where_it_is_to_play() -> None:
    learner = learner_of(perceptron(), Descent(lr=0.1, steps=2))
    with fails("Maml can't act; environments need a learner that plays"):
        learner.played_with(learner.problem(), {}, None)
    with fails("Maml can't act; environments need a learner that plays"):
        list(learner.plays(None))

"""MAML's meta-gradient against finite differences and a slow reference, in float64."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from maml_reference import (
    NETWORKS,
    RATE,
    TASKS,
    Values,
    episode,
    gradient_of,
    learner_of,
    network,
    outer_loss,
    reference,
    slow_adapted,
)
from torch import nn

import tlml
from tlml import Batch, Episode

VECTORIZE = ("loop", "vmap", "auto")


ORDERS = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


STEPS = pytest.mark.parametrize("steps", [1, 5])


KINDS = pytest.mark.parametrize("kind", NETWORKS)


PERCEPTRONS = [kind for kind in NETWORKS if kind.startswith("mlp")]


PATHS: list[Any] = [
    *itertools.product(NETWORKS, [{"vectorize": path} for path in VECTORIZE]),
    *itertools.product(NETWORKS, [{"vectorize": "vmap", "chunk_size": 2}, {"memory": "low"}]),
    *itertools.product(PERCEPTRONS, [
        {"vectorize": "stack"}, {"vectorize": "stack", "chunk_size": 2},
        {"vectorize": "stack", "memory": "low"}, {"vectorize": "loop", "memory": "low"},
    ]),
    *itertools.product(
        [kind for kind in NETWORKS if kind not in PERCEPTRONS], [{"channels_last": True}]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), PATHS)
@STEPS
@ORDERS
def test_the_meta_gradient_equals_the_slow_reference(kind, steps, first_order, options):
    learner = learner_of(kind, steps, first_order, **{"vectorize": "auto", **options})
    loss, slopes = gradient_of(learner, episode(kind))
    expected_loss, expected = reference(kind, steps, first_order)
    assert slopes.keys() == expected.keys()
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    scale = max(float(slope.abs().max()) for slope in expected.values())
    for name, slope in slopes.items():
        assert slope.dtype == torch.float64
        torch.testing.assert_close(slope, expected[name], rtol=1e-10, atol=1e-10 * scale)


@KINDS
@STEPS
def test_first_and_second_order_differ(kind, steps):
    first, second = reference(kind, steps, True)[1], reference(kind, steps, False)[1]
    off = max(float((first[name] - second[name]).abs().max()) for name in first)
    assert off > 1e-4


@KINDS
@STEPS
def test_the_second_order_gradient_equals_finite_differences_of_the_outer_loss(kind, steps):
    slopes = gradient_of(learner_of(kind, steps, False, "auto"), data := episode(kind))[1]
    net = network(kind)
    start = {name: p.detach() for name, p in net.named_parameters()}
    rng = torch.Generator().manual_seed(steps)

    def value(direction: Values, size: float) -> float:
        moved = {n: (p + size * direction[n]).requires_grad_() for n, p in start.items()}
        return float(outer_loss(net, moved, data, steps).detach())

    def difference(direction: Values) -> float:
        # Five points: the error falls as the fourth power of the step.
        far, near = 2e-3, 1e-3
        outer = value(direction, far) - value(direction, -far)
        inner = value(direction, near) - value(direction, -near)
        return (8 * inner - outer) / (12 * near)

    norm = sum(float((slope**2).sum()) for slope in slopes.values()) ** 0.5
    for _ in range(3):
        noise = {n: torch.randn(p.shape, generator=rng, dtype=p.dtype) for n, p in start.items()}
        size = sum(float((value**2).sum()) for value in noise.values()) ** 0.5
        direction = {n: slopes[n] / norm + noise[n] / size for n in start}
        expected = sum(float((slopes[n] * direction[n]).sum()) for n in start)
        assert difference(direction) == pytest.approx(expected, rel=1e-6)
    for name in start:
        entry = int(slopes[name].abs().argmax())
        direction = {n: torch.zeros_like(p) for n, p in start.items()}
        direction[name].view(-1)[entry] = 1.0
        expected = float(slopes[name].view(-1)[entry])
        assert difference(direction) == pytest.approx(expected, rel=1e-6, abs=1e-6 * norm)


@pytest.mark.parametrize("vectorize", VECTORIZE)
@ORDERS
def test_backward_fills_the_given_module_itself(first_order, vectorize):
    net = network("batchnorm")
    learner = tlml.learner(
        "maml", network=net, strategy=tlml.strategy("sgd", lr=RATE, steps=1),
        first_order=first_order, vectorize=vectorize,
    )  # fmt: skip
    assert learner.network is net
    learner.meta_loss(episode("batchnorm")).backward()
    assert all(p.grad is not None and p.dtype == torch.float64 for p in net.parameters())


@pytest.mark.parametrize("vectorize", VECTORIZE)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["batchnorm", "instancenorm", "mlp_batchnorm"])
def test_stored_statistics_and_modes_stay(kind, training, vectorize):
    learner = learner_of(kind, 2, False, vectorize)
    net = learner.built().train(training)
    before = copy.deepcopy(net.state_dict())
    learner.meta_loss(episode(kind)).backward()
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(module.training == training for module in net.modules())


@pytest.mark.parametrize("kind", ["mlp", "batchnorm"])
@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_the_meta_loss_is_the_mean_over_tasks(kind, vectorize):
    learner, data = learner_of(kind, 2, False, vectorize), episode(kind)
    whole = float(learner.meta_loss(data).detach())
    alone = []
    for i in range(TASKS):
        one = Episode(*(Batch(part.x[i : i + 1], part.y[i : i + 1]) for part in data))
        alone.append(float(learner.meta_loss(one).detach()))
    assert whole == pytest.approx(sum(alone) / TASKS, rel=1e-12)
    assert len({round(value, 6) for value in alone}) == TASKS


@pytest.mark.parametrize("kind", ["mlp", "groupnorm"])
@STEPS
def test_adapted_parameters_are_the_references(kind, steps):
    learner, data = learner_of(kind, steps, False, "auto"), episode(kind)
    adapted = learner.adapted(Batch(data.support.x[1], data.support.y[1]))
    net = network(kind)
    params = {name: p.detach().requires_grad_() for name, p in net.named_parameters()}
    expected = slow_adapted(net, params, data.support, 1, steps, graph=False)
    assert adapted.keys() == expected.keys()
    for name, value in adapted.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_without_gradients_the_meta_loss_is_the_same_number(vectorize):
    learner, data = learner_of("mlp", 2, False, vectorize), episode("mlp")
    with torch.no_grad():
        quiet = learner.meta_loss(data)
    assert not quiet.requires_grad
    assert float(quiet) == pytest.approx(float(learner.meta_loss(data).detach()), rel=1e-14)


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_frozen_parameters_get_no_gradient(vectorize):
    learner = learner_of("mlp", 1, False, vectorize)
    first = next(learner.built().parameters())
    first.requires_grad_(False)
    learner.meta_loss(episode("mlp")).backward()
    assert first.grad is None
    assert all(p.grad is not None for p in list(learner.built().parameters())[1:])


def test_a_strategy_that_cannot_be_differentiated_is_refused():
    learner = tlml.learner("maml", network=network("mlp"), strategy=tlml.strategy("full"))
    with pytest.raises(tlml.TlmlError) as caught:
        learner.meta_loss(episode("mlp"))
    assert str(caught.value) == (
        "strategy Full: its steps can't be differentiated, so Maml can't learn through them; "
        "take one that can, such as sgd"
    )


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_every_task_has_a_dropout_of_its_own(vectorize):
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1, bias=False)).double()
    nn.init.ones_(net[1].weight)
    learner = tlml.learner(
        "maml", network=net, strategy=tlml.strategy("sgd", lr=RATE, steps=0), vectorize=vectorize
    )
    batch = Batch(torch.ones(64, 1, 2), torch.zeros(64, 1, 1))
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            loss = float(learner.meta_loss(Episode(batch, batch)).detach())
        # One mask for all would give 0², 2² or 4² (each input is dropped, or counts twice).
        assert 0 < loss < 16
        assert loss != 4

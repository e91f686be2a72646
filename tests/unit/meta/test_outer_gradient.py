"""The outer gradient: scaled, in low precision, frozen, diverging."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from meta_gradients import learner_of, perceptron, same, slopes, waves
from refusals import stops
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode
from tlml.data.tasks import tasks_of
from tlml.meta import first_divergence


def test_frozen_parameters_stay_in_the_inner_loop_and_are_not_trained():
    net = perceptron()
    params = [p.detach().double().requires_grad_() for p in net.parameters()]
    batch, losses = waves(), []

    def loss(at, batch):  # written out: what is frozen, the first weight, is params[0]
        w, b, v, c = (params[0].detach(), *at)
        return nn.functional.mse_loss((batch.x @ w.T + b).tanh() @ v.T + c, batch.y)

    for support, query in tasks_of(batch):
        at = params[1:]
        for _ in range(2):
            grads = torch.autograd.grad(loss(at, support), at, create_graph=True)
            at = [p - 0.1 * slope for p, slope in zip(at, grads, strict=True)]
        losses.append(loss(at, query))
    expected = torch.autograd.grad(torch.stack(losses).mean(), params[1:])
    names = [f"network.{name}" for name, _ in net.named_parameters()][1:]
    for path in ("loop", "stack", "vmap"):
        learner = learner_of(perceptron(), vectorize=path)
        next(learner.built().parameters()).requires_grad_(False)
        same(slopes(learner, batch), dict(zip(names, expected, strict=True)))


def test_a_scaled_loss_scales_the_gradient():
    learner = learner_of(perceptron())
    plain = slopes(learner, waves())
    learner.zero_grad()
    (8 * learner.meta_loss(waves())).backward()
    same({n: p.grad / 8 for n, p in learner.named_parameters()}, plain)


@pytest.mark.parametrize("path", ["loop", "stack", "vmap"])
def test_autocast_to_bfloat16_gives_close_gradients(path):
    net = perceptron().float()
    learner = tlml.learner("maml", network=net, strategy="sgd", vectorize=path)
    data = Episode(*(Batch(b.x.float(), b.y.float()) for b in waves()))
    exact = slopes(learner, data)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = slopes(learner, data)
    for name, value in exact.items():
        assert rough[name].dtype == torch.float32
        assert float((rough[name] - value).norm()) < 0.05 * float(value.norm()) + 1e-3


@pytest.mark.parametrize("path", ["loop", "stack", "vmap"])
def test_the_scaler_of_half_precision_keeps_small_outer_gradients(path):
    net = perceptron().float()
    with torch.no_grad():
        net[2].weight *= 1e-4  # what comes through it is below the least half
        net[2].bias.zero_()
    strategy = tlml.strategy("sgd", lr=1e-4, steps=1)
    learner = tlml.learner("maml", network=net, strategy=strategy, vectorize=path)
    data = Episode(*(Batch(b.x.float(), 1e-3 * b.y.float()) for b in waves()))
    exact = slopes(learner, data)
    with torch.autocast("cpu", dtype=torch.float16):
        lost = slopes(learner, data)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
        learner._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
        learner.zero_grad()
        scaler.scale(learner.meta_loss(data)).backward()
        optimizer = torch.optim.SGD(learner.parameters(), 0.1)
        scaler.unscale_(optimizer)
    kept = {n: p.grad for n, p in learner.named_parameters()}

    def error(found: dict[str, Tensor], name: str) -> float:
        return float((found[name] - exact[name]).norm() / exact[name].norm())

    assert error(lost, "network.0.weight") > 0.2
    assert all(error(kept, name) < 0.02 for name in exact)


def test_overflow_of_a_scaled_gradient_skips_the_step():
    learner = tlml.learner("maml", network=perceptron().float(), strategy="sgd")
    data = Episode(*(Batch(b.x.float(), b.y.float()) for b in waves()))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    learner._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
    before = {n: p.detach().clone() for n, p in learner.named_parameters()}
    optimizer = torch.optim.SGD(learner.parameters(), 0.1)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = learner.meta_loss(data)
    assert bool(torch.isfinite(loss))
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(before[n], p) for n, p in learner.named_parameters())
    assert scaler.get_scale() == 2.0**59


@pytest.mark.parametrize(
    ("path", "spoilt", "blamed"), [("stack", 2, (2, 2)), ("loop", 1, (1, 2)), ("vmap", 0, (0, 2))]
)
def test_a_diverging_inner_loop_is_traced_to_its_task_and_step(path, spoilt, blamed):
    learner = learner_of(perceptron(), tlml.strategy("sgd", lr=1e200, steps=3), vectorize=path)
    data = waves()
    for i in range(3):
        if i != spoilt:
            data.support.y[i] = learner.scores(learner.start(), data.support.x[i]).detach()
    assert not torch.isfinite(learner.meta_loss(data))
    assert first_divergence(learner, data) == blamed
    assert first_divergence(learner_of(perceptron()), waves()) is None


def test_training_stops_at_divergence_and_names_the_task_and_the_step():
    from tlml_maml.outer import outer_step

    learner = learner_of(perceptron(), tlml.strategy("sgd", lr=1e200, steps=3))
    with stops(
        "maml: the meta-loss is nan in step 0: task 0 of the batch diverged at inner step 2; "
        "lower the inner lr (1e+200) or the meta lr (0.001)"
    ):
        outer_step(learner, waves())

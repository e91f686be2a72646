"""Properties of adaptation that hold for networks as people have them."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peoples_networks import Peoples, networks, placed, snapshot, unchanged
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode
from tlml.learners.adapter import adapter_for
from tlml.learners.evaluation import Evaluation

DOMAIN = tlml.domain("sinusoid")
RATE, STEPS = 0.05, 2
QUICK = settings(max_examples=40, deadline=None)


def _tasks() -> Episode:
    rng = torch.Generator().manual_seed(0)
    sides = [torch.randn(2, 4, 1, generator=rng, dtype=torch.float64) for _ in range(2)]
    return Episode(*(Batch(x, x.sin()) for x in sides))


def _meta_gradient(network: nn.Module, moving: set[str]) -> dict[str, Tensor]:
    """Return the gradient of MAML's loss by copies and plain autograd (Finn et al. 2017, eq. 1)."""

    def loss(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.mse_loss(placed(network, values)(x), y)

    start = {n: p.detach().clone().requires_grad_() for n, p in network.named_parameters()}
    losses = []
    for sx, sy, qx, qy in zip(*(part for side in _tasks() for part in side), strict=True):
        at = dict(start)
        for _ in range(STEPS):
            names = sorted(moving)
            slopes = torch.autograd.grad(
                loss(at, sx, sy), [at[n] for n in names], create_graph=True, materialize_grads=True
            )
            at |= {n: at[n] - RATE * slope for n, slope in zip(names, slopes, strict=True)}
        losses.append(loss(at, qx, qy))
    found = torch.autograd.grad(
        torch.stack(losses).mean(), list(start.values()), materialize_grads=True
    )
    return dict(zip(start, found, strict=True))


@QUICK
@given(network=networks(), inner=st.sampled_from(["sgd", "head_sgd"]))
def test_meta_gradients_are_those_of_copies_on_every_path(network: Peoples, inner: str) -> None:
    learns = {n for n, p in network.named_parameters() if p.requires_grad}
    head = {id(p) for p in network.head.parameters()}
    moving = {
        n for n, p in network.named_parameters()
        if n in learns and (inner == "sgd" or id(p) in head)
    }  # fmt: skip
    expected, before = _meta_gradient(network, moving), snapshot(network)
    for path in ("auto", "loop", "vmap"):
        strategy = tlml.strategy(inner, lr=RATE, steps=STEPS)
        learner = tlml.learner("maml", network=network, strategy=strategy, vectorize=path)
        learner.meta_loss(_tasks()).backward()  # type: ignore[attr-defined]
        assert unchanged(network, before)
        for name, parameter in network.named_parameters():
            assert (parameter.grad is not None) is (name in learns)
            if parameter.grad is not None:
                torch.testing.assert_close(
                    parameter.grad, expected[name], rtol=1e-9, atol=1e-11, msg=f"{path} {name}"
                )
        network.zero_grad()


def _strategy(name: str) -> tlml.Strategy:
    options = {"full": {"optimizer": "sgd"}, "linear_probe": {"optimizer": "sgd"}, "sgd": {}}
    return tlml.strategy(name, lr=RATE, steps=STEPS, **options[name])


def _by_a_copy(network: Peoples, name: str, task: Episode) -> Tensor:
    """Return the query's scores of a copy that an optimiser of torch's trained on the support."""
    copied = copy.deepcopy(network)
    whole = copied.head if name == "linear_probe" else copied
    learning = [p for p in whole.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, RATE, momentum=0.0 if name == "sgd" else 0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.mse_loss(copied(task.support.x.double()), task.support.y.double()).backward()
        optimizer.step()
    with torch.no_grad():
        scores: Tensor = copied(task.query.x.double())
    return scores


@pytest.mark.parametrize("name", ["full", "linear_probe", "sgd"])
@QUICK
@given(network=networks())
def test_tests_are_those_of_copies_equal_each_other_and_leave_no_trace(
    name: str, network: Peoples
) -> None:
    learner = tlml.learner("supervised", network=network)
    learner.view(DOMAIN)
    view = tlml.EpisodeView(DOMAIN, shots=5, queries=5, episodes=2, adapt=_strategy(name))
    before, modes = snapshot(network), [m.training for m in network.modules()]
    task = view.dataset("target")[0]
    task = Episode(*(Batch(*(part.double() for part in side)) for side in task))
    adapter = adapter_for(learner, view)
    judged = Evaluation(learner, adapter, view, "test")
    first, second = (judged.records([task], [0])[0] for _ in range(2))
    assert first["mse"] == second["mse"]
    scores = learner.predict_by(adapter.turned_to((0,)), task.support, task.query.x)
    torch.testing.assert_close(scores, _by_a_copy(network, name, task), rtol=1e-9, atol=1e-11)
    assert unchanged(network, before)
    assert [m.training for m in network.modules()] == modes


@QUICK
@given(network=networks())
def test_changes_of_low_rank_leave_no_trace(network: Peoples) -> None:
    learner = tlml.learner("supervised", network=network)
    learner.view(DOMAIN)
    strategy = tlml.strategy("lora", rank=1, steps=STEPS, patterns=["entry", "tied"])
    view = tlml.EpisodeView(DOMAIN, shots=5, queries=5, episodes=2, adapt=strategy)
    before, task = snapshot(network), view.dataset("target")[0]
    task = Episode(*(Batch(*(part.double() for part in side)) for side in task))
    adapter = adapter_for(learner, view)  # its copy of the network serves both
    judged = Evaluation(learner, adapter, view, "test")
    first, second = (judged.records([task], [0])[0] for _ in range(2))
    assert first["mse"] == second["mse"]
    assert unchanged(network, before)

"""The rates of La-MAML: their gradients, and adapting by them after the stream."""

from __future__ import annotations

import pytest
import torch
from lamaml_sides import draws, network, sides, slopes
from tiny import Letters
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView


@pytest.mark.parametrize("loss_at", ["last", "mean"])
def test_the_first_order_gradient_of_rates_is_a_product_of_gradients(loss_at: str) -> None:
    """−∇L_m(θ_k) · Σ ∇ℓ(θ_i), where the loss is at θ_k."""
    learner, _ = sides("lamaml", variant="paper", loss_at=loss_at, alpha_lr=1.0, path="closed")
    net, (own, replay) = network(), draws(1)
    before = {name: rate.detach().clone() for name, rate in learner.alpha.items()}
    at = {name: p.detach() for name, p in net.named_parameters()}
    inner, outer = [], []
    meta = Batch(*(torch.cat(pair) for pair in zip(replay, own, strict=True)))
    for i in range(len(own.x)):
        inner.append(slopes(net, at, Batch(own.x[i : i + 1], own.y[i : i + 1])))
        at = {name: at[name] - before[name] * inner[-1][name] for name in at}
        outer.append(slopes(net, at, meta))
    learner.meta_update(own, replay)
    for name, rate in learner.alpha.items():
        if loss_at == "last":
            right = outer[-1][name] * sum(each[name] for each in inner)
        else:
            sums = [sum(each[name] for each in inner[: m + 1]) for m in range(len(inner))]
            right = sum(a[name] * b for a, b in zip(outer, sums, strict=True)) / len(inner)
        torch.testing.assert_close(rate - before[name], right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss_at", ["last", "mean"])
def test_the_exact_gradient_of_rates_is_that_of_finite_differences(loss_at: str) -> None:
    options = {"variant": "paper", "order": "second", "loss_at": loss_at, "path": "closed"}
    own, replay = draws(3)

    def loss(moves: dict[str, Tensor], size: float) -> float:
        learner = tlml.learner(
            "lamaml", network=network(nn.Tanh(), nn.Tanh()), alpha_init=0.3, **options
        ).double()
        for name, move in moves.items():
            learner.alpha[name].data.add_(move, alpha=size)
        return float(learner.meta_update(own, replay))

    learner = tlml.learner(
        "lamaml", network=network(nn.Tanh(), nn.Tanh()), alpha_init=0.3, alpha_lr=1.0, **options
    ).double()
    before = {name: rate.detach().clone() for name, rate in learner.alpha.items()}
    learner.meta_update(own, replay)
    gradient = {name: before[name] - rate.detach() for name, rate in learner.alpha.items()}
    rng = torch.Generator().manual_seed(9)
    for _ in range(4):
        way = {n: torch.randn(r.shape, generator=rng, dtype=r.dtype) for n, r in before.items()}
        along = sum(float((gradient[name] * way[name]).sum()) for name in way)
        numeric = (loss(way, 1e-5) - loss(way, -1e-5)) / 2e-5
        assert along == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def test_after_the_stream_learned_rates_adapt_to_new_tasks() -> None:
    learner = tlml.learner("lamaml", network="mlp", network_options={"hidden": [6]}, memory_size=10)
    view = learner.view(Letters(), ways=2, batch_size=4)
    quiet_trainer(max_epochs=-1, limit_val_batches=0).fit(learner, view)
    (rate, *_) = learner.alpha.values()
    rate.data[0] = -1.0
    before = {name: each.detach().clone() for name, each in learner.alpha.items()}
    episodes = EpisodeView(
        Letters(), ways=6, shots=1, queries=1, episodes=1, head="kept",
    )  # fmt: skip
    step = next(iter(episodes.test_dataloader()))
    support = Batch(step.support.x[0], step.support.y[0])
    learner.eval()
    net = learner.network
    start = {name: p.detach() for name, p in net.named_parameters()}
    way = slopes(net, start, support)
    moved = {name: start[name] - before[name].clamp(min=0) * way[name] for name in start}
    right = torch.func.functional_call(net, moved, (step.query.x[0],))
    torch.testing.assert_close(learner.predict(support, step.query.x[0]), right)
    assert all(torch.equal(before[name], each) for name, each in learner.alpha.items())

"""Adapting to inputs without labels: statistics and entropy, against NumPy in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapting import adapted, interrupted, problem_of
from refusals import stops
from tiny import Tables
from torch import Tensor, nn
from trainers import fitting_trainer

import tlml
from tlml import Batch, EpisodeView, PairView
from tlml.finetuning import Adaptation
from tlml.networks import statistics
from tlml.suites.inside.adapt import _described

NAMES = ("batchnorm", "tent")


def network(norm: Any = nn.BatchNorm1d) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(2, 4), norm(4), nn.Tanh(), nn.Linear(4, 4), norm(4))
        net.append(nn.Linear(4, 3))
        for layer in (net[1], net[4]):
            nn.init.normal_(layer.weight, 1.0, 0.3)
            nn.init.normal_(layer.bias, 0.0, 0.3)
    return net


def inputs(n: int = 40, *shape: int) -> Tensor:
    rng = torch.Generator().manual_seed(n)
    return 2 * torch.randn(n, *(shape or (2,)), generator=rng, dtype=torch.float64) + 1


NOTHING = Batch(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))


# AdaBN


@pytest.mark.parametrize("batch_size", [7, 512])
def test_statistics_are_those_of_all_inputs_together_layer_by_layer(batch_size: int) -> None:
    net, x = network().double(), inputs()
    strategy = tlml.strategy("batchnorm", batch_size=batch_size)
    found = strategy.begin(net, dict(net.named_parameters()), x)
    weight = {name: value.detach().numpy() for name, value in net.named_parameters()}
    hidden = x.numpy()
    for linear, norm in ((0, 1), (3, 4)):
        hidden = hidden @ weight[f"{linear}.weight"].T + weight[f"{linear}.bias"]
        mean, variance = hidden.mean(0), hidden.var(0)
        np.testing.assert_allclose(found[f"{norm}.running_mean"], mean, rtol=1e-11)
        np.testing.assert_allclose(found[f"{norm}.running_var"], variance, rtol=1e-11)
        hidden = (hidden - mean) / np.sqrt(variance + 1e-5)
        hidden = np.tanh(hidden * weight[f"{norm}.weight"] + weight[f"{norm}.bias"])
    assert len(found) == 4


def test_statistics_of_images_are_those_of_each_channel() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2))
    net, x = net.double(), inputs(5, 1, 6, 6)
    found = tlml.strategy("batchnorm", batch_size=2).begin(net, dict(net.named_parameters()), x)
    hidden = net[0](x).detach().numpy()
    np.testing.assert_allclose(found["1.running_mean"], hidden.mean((0, 2, 3)), rtol=1e-11)
    np.testing.assert_allclose(found["1.running_var"], hidden.var((0, 2, 3)), rtol=1e-11)


def test_predictions_are_those_by_the_statistics_of_the_query() -> None:
    net, x = network().double(), inputs()
    before = {name: value.clone() for name, value in net.named_buffers()}
    found = problem_of(net, tlml.strategy("batchnorm"), x).predict(NOTHING, x)
    with torch.no_grad(), statistics(net, "batch"):
        expected = net(x)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())


def test_a_long_adaptation_sets_the_statistics_of_the_unlabelled_target_and_stops() -> None:
    domain = Tables(classes=3, train=30)
    view = PairView(domain, source=False, unlabelled=True, queries=2)
    net, reference = network(), network()
    x = view.unlabelled_examples()
    expected = tlml.strategy("batchnorm").begin(reference, dict(reference.named_parameters()), x)
    adapted(net, tlml.strategy("batchnorm"), view)
    for name, value in net.named_buffers():
        if "running" in name:
            torch.testing.assert_close(value, expected[name])
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), reference.parameters(), strict=True)
    )


# TENT


def test_a_step_goes_down_the_entropy_by_scales_and_shifts_alone() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    x = inputs()
    strategy = tlml.strategy("tent", lr=0.1, steps=1, optimizer="sgd")
    problem = problem_of(net, strategy, x)
    start = {name: value.detach().numpy().copy() for name, value in net.named_parameters()}
    found = problem.adapted(Batch(*(part.double() for part in NOTHING)))
    hidden = x.numpy() @ start["0.weight"].T + start["0.bias"]
    normal = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
    scores = (normal * start["1.weight"] + start["1.bias"]) @ start["2.weight"].T + start["2.bias"]
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    entropy = -(p * np.log(p)).sum(1, keepdims=True)
    slope = -p * (np.log(p) + entropy) / len(x)  # of the mean entropy by the scores
    inner = slope @ start["2.weight"]
    expected = {
        "1.weight": start["1.weight"] - 0.1 * (inner * normal).sum(0),
        "1.bias": start["1.bias"] - 0.1 * inner.sum(0),
    }
    for name, value in found.items():
        wanted = expected.get(name, start[name])
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-12)
        assert (name in expected) or np.array_equal(value.numpy(), start[name])
    assert problem.adapter.attempt.calls == 1


def entropy_of(scores: Tensor) -> float:
    return float(torch.distributions.Categorical(logits=scores).entropy().mean())


def test_predictions_become_certain_and_labels_are_learned_from_beside() -> None:
    x = inputs().float()
    support = Batch(x[:6], torch.arange(6) % 3)

    def predicted(labels: Batch, steps: int) -> Tensor:
        return problem_of(network(), tlml.strategy("tent", lr=0.05, steps=steps), x).predict(
            labels, x
        )

    before, after, informed = predicted(NOTHING, 0), predicted(NOTHING, 20), predicted(support, 20)
    assert entropy_of(after) < entropy_of(before) - 0.2
    losses = [nn.functional.cross_entropy(found[:6], support.y) for found in (after, informed)]
    assert losses[1] < losses[0] / 1.5


@pytest.mark.parametrize("norm", [nn.LayerNorm, lambda size: nn.GroupNorm(2, size)])
def test_other_norms_have_scales_and_shifts_too(norm: Any) -> None:
    net, x = network(norm), inputs().float()
    start = {name: value.detach().clone() for name, value in net.named_parameters()}
    found = problem_of(net, tlml.strategy("tent"), x).adapted(NOTHING)
    moved = {name for name in found if not torch.equal(found[name], start[name])}
    assert moved == {"1.weight", "1.bias", "4.weight", "4.bias"}


def test_a_long_adaptation_by_unlabelled_inputs_resumes(tmp_path: Path) -> None:
    domain = Tables(classes=3, train=30)
    view = PairView(domain, source=False, unlabelled=True, queries=2, batch_size=8)

    def make() -> Adaptation:
        learner = tlml.learner("supervised", network=network())
        learner.meet(view.target_spaces)
        return Adaptation(learner, tlml.strategy("tent", lr=0.05))

    whole, resumed = interrupted(tmp_path, make, view, list)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    after = network()
    before = network().state_dict()
    prefix = "learner.network."
    after.load_state_dict({k.removeprefix(prefix): v for k, v in whole.items() if prefix in k})
    moved = {name for name, value in after.state_dict().items() if not value.equal(before[name])}
    assert moved == {f"{layer}.{name}" for layer in (1, 4) for name in (
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked"
    )}  # fmt: skip
    x = view.unlabelled_examples()
    with torch.no_grad():
        assert entropy_of(after.train()(x)) < entropy_of(network()(x)) - 0.05


# Both


@pytest.mark.parametrize("name", NAMES)
def test_a_test_without_labels_adapts_and_names_that_it_used_the_queries(name: str) -> None:
    domain = Tables(classes=3)
    learner = tlml.learner("supervised", network=network())
    learner.view(domain)
    scores = {}
    for adapt in (name, "full"):
        view = EpisodeView(domain, shots=0, queries=3, episodes=2, adapt=tlml.strategy(adapt))
        assert _described(learner, view)["transductive"] is (adapt == name)
        fitting_trainer().test(learner, view, verbose=False)
        scores[adapt] = [record["loss"] for record in learner.records]
    assert scores[name] != scores["full"]


@pytest.mark.parametrize("name", NAMES)
def test_inputs_without_labels_must_be_there(name: str) -> None:
    title = {"batchnorm": "AdaBn", "tent": "Tent"}[name]
    with stops(f"{title} adapts to target inputs without labels, and there are none"):
        problem_of(network(), tlml.strategy(name)).predict(NOTHING, inputs().float())
    view = PairView(Tables(classes=3), source=False, shots=2, queries=2)
    with stops(
        f"unlabelled: {title} adapts to target inputs without labels, and the view gives none; set "
        "unlabelled=True"
    ):
        adapted(network(), tlml.strategy(name), view)
    with stops(
        f"strategy: {title} adapts to target inputs without labels, which a callback is not given"
    ):
        tlml.Adapt(name)


def test_a_network_without_norms_is_refused() -> None:
    net = nn.Sequential(nn.Linear(2, 3))
    with stops("batchnorm: Sequential has no BatchNorm with stored statistics, so there is"):
        problem_of(net, tlml.strategy("batchnorm"), inputs().float()).predict(NOTHING, inputs())
    with stops("tent: Sequential has no normalisation with scales and shifts, which is all that"):
        problem_of(net, tlml.strategy("tent"), inputs())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("batchnorm", {"batch_size": 0}, "batch_size: must be greater than 0, is 0"),
        ("tent", {"weight": -1}, "weight: must be at least 0, is -1"),
        ("tent", {"steps": -1}, "steps: must be at least 0, is -1"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)

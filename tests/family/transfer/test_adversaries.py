"""The game of features and discriminator, each player against finite differences and NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from refusals import stops
from torch import Tensor, nn

import tlml
from tlml import Context
from tlml.networks import seeded_draws
from tlml.registry import default_registry
from tlml_transfer.align.adversary import Adversary, head_sizes, reverse_gradient, schedule

GAMES = ["dann", "cdan"]


def some(n: int = 6, m: int = 4, features: int = 3, classes: int = 2, progress: float = 0.3):
    rng = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return Context(
        normal(n, 2), normal(m, 2), normal(n, features), 1 + normal(m, features),
        normal(n, classes), normal(m, classes), progress, nn.Identity(),
    )  # fmt: skip


def attached(name: str, features: int = 3, classes: int = 2, **options: Any) -> Any:
    strategy = tlml.strategy(name, hidden=[5], **options)
    with seeded_draws(0):
        strategy.claim(nn.Sequential(nn.Linear(2, features), nn.Linear(features, classes)).double())
    return strategy


def changed(context: Context, **parts: Any) -> Context:
    return Context(**{name: getattr(context, name) for name in Context.__slots__} | parts)


def scores(adversary: Adversary, x: np.ndarray) -> np.ndarray:
    """Return what a discriminator with one hidden layer of ReLU says."""
    w1, b1, w2, b2 = (p.detach().numpy() for p in adversary.discriminator.parameters())
    return (np.maximum(x @ w1.T + b1, 0) @ w2.T + b2)[:, 0]


def game(adversary: Adversary, source: np.ndarray, target: np.ndarray, ws: Any, wt: Any) -> float:
    """Return the loss of telling source (1) from target (0) by its definition."""
    d_source, d_target = (1 / (1 + np.exp(-scores(adversary, x))) for x in (source, target))
    return float(-(ws * np.log(d_source)).mean() - (wt * np.log(1 - d_target)).mean())


# The reversal


def test_the_reversal_is_the_identity_and_its_gradient_is_turned() -> None:
    x = some().features_source.requires_grad_()
    out = reverse_gradient(x, 0.7)
    assert torch.equal(out, x)
    (slope,) = torch.autograd.grad((out**3).sum(), x)
    torch.testing.assert_close(slope, -0.7 * 3 * x.detach() ** 2)


@pytest.mark.parametrize("name", GAMES)
def test_each_player_goes_its_way_down_by_finite_differences(name: str) -> None:
    strategy, context = attached(name, gamma=5.0, weight=2.0), some()
    features = context.features_source.requires_grad_()
    loss = strategy.terms(context)[name]
    parameters = list(strategy.parameters())
    slopes = torch.autograd.grad(loss, [features, *parameters])
    rng = torch.Generator().manual_seed(1)
    rate = 2.0 * schedule(0.3, 5.0)
    for place, player in enumerate([features, *parameters]):
        step = torch.randn(player.shape, generator=rng, dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                player += sign * 1e-6 * step
                ends.append(strategy.terms(context)[name].item())
                player -= sign * 1e-6 * step
        difference = (ends[0] - ends[1]) / 2e-6
        # The discriminator goes down the loss at the full rate, the features up at λ.
        wanted = difference if place else -rate * difference
        assert (slopes[place] * step).sum().item() == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_schedule_is_the_papers(progress: float) -> None:
    assert schedule(progress, 10.0) == pytest.approx(2 / (1 + math.exp(-10 * progress)) - 1)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("off", [{"weight": 0.0}, {"progress": 0.0}], ids=str)
def test_without_weight_and_at_the_start_only_the_discriminator_learns(
    name: str, off: dict[str, float]
) -> None:
    strategy = attached(name, weight=off.get("weight", 1.0))
    context = some(progress=off.get("progress", 0.5))
    features = context.features_source.requires_grad_()
    slopes = torch.autograd.grad(strategy.terms(context)[name], [features, *strategy.parameters()])
    assert not slopes[0].any()
    assert all(slope.any() for slope in slopes[1:])


# What the discriminators see


def test_danns_loss_is_the_sum_of_the_mean_losses_of_both_sides() -> None:
    strategy, context = attached("dann"), some()
    sides = context.features_source.numpy(), context.features_target.numpy()
    found = strategy.terms(context)
    assert set(found) == {"dann"}
    assert found["dann"].item() == pytest.approx(game(strategy.adversary, *sides, 1, 1), rel=1e-12)


def probabilities(logits: Tensor) -> np.ndarray:
    p = np.exp(logits.numpy())
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("entropy", [False, True])
def test_cdans_loss_is_on_outer_products_weighted_by_entropy(entropy: bool) -> None:
    strategy, context = attached("cdan", entropy=entropy), some()
    seen, weights = [], []
    for features, logits in (
        (context.features_source, context.logits_source),
        (context.features_target, context.logits_target),
    ):
        p = probabilities(logits)
        pairs = zip(features.numpy(), p, strict=True)
        seen.append(np.stack([np.outer(f, g).ravel() for f, g in pairs]))
        weights.append(1 + np.exp((p * np.log(p)).sum(1)) if entropy else 1.0)
    expected = game(strategy.adversary, *seen, *weights)
    assert strategy.terms(context)["cdan"].item() == pytest.approx(expected, rel=1e-12)


def test_cdans_predictions_are_constants() -> None:
    context = some()
    logits = context.logits_target.requires_grad_()
    features = context.features_target.requires_grad_()
    slopes = torch.autograd.grad(
        attached("cdan").terms(context)["cdan"], [features, logits], allow_unused=True
    )
    assert slopes[0].any()
    assert slopes[1] is None


def test_the_randomised_map_is_the_papers() -> None:
    strategy, context = attached("cdan", most=5, size=7), some()
    f, g = context.features_source, torch.softmax(context.logits_source, 1)
    r_f, r_g = strategy.random_features.numpy(), strategy.random_classes.numpy()
    expected = (f.numpy() @ r_f) * (g.numpy() @ r_g) / math.sqrt(7)
    np.testing.assert_allclose(strategy.multilinear(f, g).numpy(), expected, rtol=1e-12)
    assert attached("cdan", most=6).random_features is None  # 3 features times 2 classes


def test_inner_products_of_the_randomised_map_are_those_of_the_whole_in_the_mean() -> None:
    context = some()
    f, g = context.features_source, torch.softmax(context.logits_source, 1)
    whole = torch.stack([torch.outer(a, b).flatten() for a, b in zip(f, g, strict=True)])
    mapped = attached("cdan", most=0, size=200_000).multilinear(f, g)
    # The standard deviation of each product is about 3 times its norm over √200,000.
    torch.testing.assert_close(mapped @ mapped.T, whole @ whole.T, rtol=0.05, atol=0.05)


def test_the_randomised_map_is_kept_with_the_discriminator() -> None:
    one, other = attached("cdan", most=5), tlml.strategy("cdan", hidden=[5], most=5)
    with seeded_draws(1):
        other.claim(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)).double())
    assert not torch.equal(one.random_features, other.random_features)
    other.load_state_dict(one.state_dict())
    context = some()
    assert torch.equal(one.terms(context)["cdan"], other.terms(context)["cdan"])


# Bad input


@pytest.mark.parametrize("name", GAMES)
def test_constant_features_and_a_batch_of_one_class_and_one_example_have_a_loss(name: str) -> None:
    strategy = attached(name)
    certain = torch.tensor([[1e4, 0.0]], dtype=torch.float64)
    context = changed(
        some(),
        features_source=torch.ones(6, 3).double().requires_grad_(),
        features_target=torch.ones(1, 3).double(),
        logits_source=certain.expand(6, 2),
        logits_target=certain,
    )
    loss = strategy.terms(context)[name]
    slopes = torch.autograd.grad(loss, [context.features_source, *strategy.parameters()])
    assert all(torch.isfinite(each).all() for each in (loss, *slopes))


@pytest.mark.parametrize("name", GAMES)
def test_a_side_without_examples_is_refused(name: str) -> None:
    context = changed(some(), features_target=torch.zeros(0, 3).double())
    with stops(
        f"{name}: compares source and target, and there are no target examples; the view must give "
        "both"
    ):
        attached(name).terms(context)


def test_a_discriminator_stays_with_its_network() -> None:
    with stops(
        "dann: its discriminator was made for inputs of size 4, these are 3; make a strategy anew "
        "for each network"
    ):
        attached("dann", features=4).terms(some())
    with stops(
        "cdan: its discriminator was made for 5 classes, these are 2; make a strategy anew for "
        "each head"
    ):
        attached("cdan", classes=5).terms(some())


def test_a_head_without_a_linear_layer_has_no_known_size() -> None:
    network = nn.Module()
    network.head = nn.Conv2d(3, 2, 1)
    with stops(
        "Module: no layer of its head Conv2d is an nn.Linear, so that the size of its features is "
        "unknown"
    ):
        head_sizes(network)
    network.head = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    assert head_sizes(network) == (6, 2)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "weight: must be at least 0, is -1"),
        ({"gamma": 0}, "gamma: must be greater than 0, is 0"),
        ({"hidden": [0]}, "hidden: must be a whole number of at least 1, is 0"),
        ({"hidden": "many"}, "hidden: must be a list of whole numbers, is 'many'"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)


def test_sizes_out_of_range_are_refused() -> None:
    with stops("most: must be at least 0, is -1"):
        tlml.strategy("cdan", most=-1)
    with stops("size: must be a whole number of at least 1, is 0"):
        tlml.strategy("cdan", size=0)


def test_classes_are_what_cdan_needs() -> None:
    registry = default_registry()
    assert registry.judge("digits", "supervised", "cdan").lacks == ()
    assert registry.judge("sinusoid", "supervised", "cdan").lacks != ()
    assert registry.judge("sinusoid", "supervised", "dann").lacks == ()

"""TrAdaBoost round by round against plain loops, and what it is for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from refusals import stops
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tiny import Tables
from trainers import fitting_trainer, quiet_trainer

import tlml
from tlml import Batch, EpisodeView
from tlml.registry import default_registry
from tlml_transfer.weigh.tradaboost import reweigh

VALUES = Box(-np.inf, np.inf, (1,))


def two_classes(n: int, seed: int, flipped: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] + 0.5 * x[:, 1] ** 2 + 0.3 * rng.normal(size=n) > 0.3) ^ (rng.random(n) < flipped)
    return Batch(torch.from_numpy(x), torch.from_numpy(y.astype(int)))


def three_classes(n: int, seed: int, flipped: float = 0.0) -> Batch:
    x, y = two_classes(n, seed, flipped)
    return Batch(x, torch.where(x[:, 1] > 0.8, 2, y))


def values(n: int, seed: int, offset: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = np.sin(2 * x[:, :1]) + x[:, 1:] + 0.2 * rng.normal(size=(n, 1)) + offset * (x[:, :1] > 0)
    return Batch(torch.from_numpy(x), torch.from_numpy(y))


def test_it_goes_with_the_estimator() -> None:
    assert default_registry().partners("strategy", "tradaboost")["learner"] == ["estimator"]
    assert default_registry().judge("digits", "estimator", "tradaboost").lacks == ()


def by_hand(model: Any, source: Batch, target: Batch, x: np.ndarray, rounds: int) -> Any:
    """Return the votes of each class or the median, and the source's weights in the end."""
    rows = np.concatenate([source.x.numpy(), target.x.numpy()])
    labels = np.concatenate([source.y.numpy(), target.y.numpy()]).reshape(len(rows))
    n, classes = len(source.x), not source.y.is_floating_point()
    kinds = int(labels.max()) + 1 if classes else 2
    weights, kept = [1.0] * len(rows), []
    beta = 1 / (1 + math.sqrt(2 * math.log(n) / rounds))
    for _ in range(rounds):
        share = np.array(weights) * len(rows) / sum(weights)
        said = model.fit(rows, labels, sample_weight=share).predict(rows)
        if classes:
            loss = [float(a != b) for a, b in zip(said, labels, strict=True)]
        else:
            off = [abs(a - b) for a, b in zip(said, labels, strict=True)]
            loss = [one / max(off) for one in off]
        error = sum(weights[i] * loss[i] for i in range(n, len(rows))) / sum(weights[n:])
        error = min(max(error, 1e-10), 1 - 1 / kinds)
        beta_t = error / (1 - error) / (kinds - 1)
        for i in range(len(rows)):
            weights[i] *= beta ** loss[i] if i < n else beta_t ** -loss[i]
        kept.append((math.log(1 / beta_t), model.predict(x)))
    late = kept[math.ceil(rounds / 2) - 1 :]
    found = []
    for row in range(len(x)):
        if classes:
            votes = [sum(say for say, a in late if a[row] == kind) for kind in range(kinds)]
            found.append([vote / sum(votes) for vote in votes])
        else:
            ordered = sorted((a[row], say) for say, a in late)
            half, passed = sum(say for _, say in ordered) / 2, 0.0
            for value, say in ordered:
                passed += say
                if passed >= half:
                    found.append([value])
                    break
    return np.array(found), np.array(weights[:n])


CASES = [
    (two_classes, "linear", {}, lambda: LogisticRegression(random_state=0)),
    (two_classes, "tree", None, lambda: DecisionTreeClassifier(max_depth=3, random_state=0)),
    (three_classes, "tree", {"max_depth": 1}, lambda: DecisionTreeClassifier(max_depth=1)),
    (values, "linear", {"alpha": 0.5}, lambda: Ridge(0.5, random_state=0)),
    (values, "tree", None, lambda: DecisionTreeRegressor(max_depth=3, random_state=0)),
]  # fmt: skip


@pytest.mark.parametrize(("draw", "model", "options", "make"), CASES)
@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_it_is_the_algorithm_written_out(
    draw: Any, model: str, options: Any, make: Any, rounds: int
) -> None:
    source, target, asked = draw(50, 0, 0.3), draw(15, 1), draw(30, 2)
    strategy = tlml.strategy("tradaboost", rounds=rounds, model=model, model_options=options)
    strategy.learn(source, asked.x)
    space = VALUES if draw is values else Discrete(int(source.y.max()) + 1)
    found = strategy.estimate(target, asked.x, space)
    expected, weights = by_hand(make(), source, target, asked.x.numpy(), rounds)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    size = weights.sum() ** 2 / (weights**2).sum()
    assert strategy.effective_sample_size == pytest.approx(size, rel=1e-9)


def test_a_round_by_hand() -> None:
    # Of four source examples the second is wrong; of four target examples the last is.
    losses = torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 1], dtype=torch.float64)
    say, weights = reweigh(torch.ones(8, dtype=torch.float64), losses, 4, 8, 2)
    beta = 1 / (1 + math.sqrt(2 * math.log(4) / 8))
    assert say == pytest.approx(math.log(3))  # β_t = (1/4) / (3/4)
    assert weights.tolist() == pytest.approx([1, beta, 1, 1, 1, 1, 1, 3])


def test_a_round_no_better_than_chance_has_no_say() -> None:
    losses = torch.tensor([0.0, 1, 1, 1], dtype=torch.float64)
    say, weights = reweigh(torch.ones(4, dtype=torch.float64), losses, 2, 4, 3)
    assert say == pytest.approx(0)
    assert weights[2:].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("labels", [torch.zeros(6, dtype=torch.int64), torch.zeros(6, 1)])
def test_labels_that_are_all_equal_are_what_is_estimated(labels: torch.Tensor) -> None:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    strategy = tlml.strategy("tradaboost")
    strategy.learn(Batch(x, labels), x)
    classes = not labels.is_floating_point()
    found = strategy.estimate(Batch(x[:2], labels[:2]), x, Discrete(2) if classes else VALUES)
    expected = torch.tensor([[1.0, 0.0]]) if classes else torch.zeros(1, 1)
    torch.testing.assert_close(found, expected.expand(6, -1))


def test_several_values_are_learned_together() -> None:
    (sx, sy), (x, y) = values(60, 0), values(20, 1)
    strategy = tlml.strategy("tradaboost", model="linear")
    strategy.learn(Batch(sx, torch.cat([sy, -sy], 1)), x)
    found = strategy.estimate(Batch(x, torch.cat([y, -y], 1)), x, Box(-np.inf, np.inf, (2,)))
    torch.testing.assert_close(found[:, 0], -found[:, 1])


def misled(draw: Any, model: str, labels: int, seed: int) -> list[float]:
    """Return the errors of boosting, of pooling and of the target alone, and the sample size."""
    source, target, asked = draw(300, 3 * seed), draw(labels, 3 * seed + 1), draw(500, 3 * seed + 2)
    classes = draw is two_classes
    wrong = source.x[:, 1] > source.x[:, 1].quantile(0.7)
    opposite = 1 - source.y if classes else -source.y
    y = torch.where(wrong if classes else wrong[:, None], opposite, source.y)

    def error(found: torch.Tensor) -> float:
        if not classes:
            return float((found - asked.y).square().mean())
        return float((found.argmax(1) != asked.y).double().mean())

    strategy = tlml.strategy("tradaboost", model=model)
    strategy.learn(Batch(source.x, y), source.x[:0])
    boosted = error(strategy.estimate(target, asked.x, Discrete(2) if classes else VALUES))
    plain = tlml.learner("estimator", model=model, model_options=strategy.model_options)
    both = Batch(torch.cat([source.x, target.x]), torch.cat([y, target.y]))
    others = [error(plain.predict(known, asked.x)) for known in (both, target)]
    return [boosted, *others, strategy.effective_sample_size or 0.0]


@pytest.mark.parametrize(
    ("draw", "model", "labels"), [(two_classes, "linear", 20), (values, "tree", 40)]
)
def test_it_takes_what_helps_of_a_source_that_is_wrong_in_part(
    draw: Any, model: str, labels: int
) -> None:
    runs = np.mean([misled(draw, model, labels, seed) for seed in range(6)], axis=0)
    boosted, pooled, alone, size = runs
    assert boosted < 0.85 * pooled
    assert boosted < 0.95 * alone
    assert size < 220  # of 300, of which 90 are wrong


@pytest.mark.parametrize("classes", [0, 3])
def test_the_estimator_boosts_on_source_and_support(classes: int) -> None:
    domain = Tables(classes=classes, train=30, test=12)
    learner = tlml.learner("estimator", strategy=tlml.strategy("tradaboost", rounds=4))
    fitting_trainer(max_epochs=1).fit(learner, learner.view(domain))
    tests = EpisodeView(domain, shots=3, queries=3, episodes=2)
    quiet_trainer().test(learner, tests, verbose=False)
    assert [record["gradient_steps"] for record in learner.records] == [0, 0]
    assert all(0 < one["effective_sample_size"] <= 3 * (30 + 12) for one in learner.records)
    assert not learner.transductive(learner.strategy)


def test_what_is_missing_is_named() -> None:
    strategy, (x, y) = tlml.strategy("tradaboost"), two_classes(10, 0)
    with stops("tradaboost: has no source examples; call learn(source, target_x)"):
        strategy.estimate(Batch(x, y), x, Discrete(2))
    strategy.learn(Batch(x, y), x)
    with stops("tradaboost: needs labelled target examples, and there are none; set shots above 0"):
        strategy.estimate(Batch(x[:0], y[:0]), x, Discrete(2))


@pytest.mark.parametrize(
    ("source", "support", "space"),
    [
        (two_classes, values, VALUES),
        (values, two_classes, Discrete(2)),
        (three_classes, two_classes, Discrete(2)),
    ],
)
def test_labels_of_two_kinds_are_refused(source: Any, support: Any, space: Any) -> None:
    strategy = tlml.strategy("tradaboost")
    strategy.learn(source(30, 0), torch.zeros(0, 2))
    with stops(
        "tradaboost: source and target must have the same labels; the source's are not of the "
        f"target's {space}"
    ):
        strategy.estimate(support(10, 1), torch.zeros(2, 2), space)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds: must be greater than 0, is 0"),
        ({"model": "forest"}, "model: 'forest' is not one of linear, svm, tree"),
        ({"seed": -1}, "seed: must be at least 0, is -1"),
        (
            {"model_options": {"depth": 3}},
            "model_options: depth: no such option of DecisionTreeClassifier; there are",
        ),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy("tradaboost", **options)

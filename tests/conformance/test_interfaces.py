"""Small learners and strategies that use PairView and EpisodeView, as plugins to come will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn
from trainers import fitting_trainer

import tlml
from tlml import Batch, Context, Domain, Episode, EpisodeView, Examples, PairView, Strategy
from tlml.data import SPLITS, Part, Split
from tlml.learners import GradientLearner
from tlml.meta import one_task
from tlml.networks import Network
from tlml.testing.learner_gradients import check_paths
from tlml.testing.problem import slopes, tiny_episode, tiny_learner
from tlml.testing.toys import Descent, LearnedRates


@dataclass(frozen=True)
class Shifted:
    """Two clouds of points that the target sees moved; a share of the source's labels is wrong."""

    name: str
    move: float
    wrong: bool
    key: int

    def split(self, part: Part) -> Examples:
        rng = np.random.default_rng([self.key, ("train", "val", "test").index(part)])
        y = np.tile([0, 1], 0 if part == "val" else 60)
        x = rng.standard_normal((len(y), 2)) + 4 * np.stack([y, np.zeros_like(y)], 1)
        # The second input tells which labels are wrong: those where it is negative.
        y = np.where((x[:, 1] < 0) & self.wrong, 1 - y, y)
        x = x + self.move
        return Examples(torch.tensor(x).float(), torch.tensor(y))


class Clouds(Domain[Shifted]):
    def __init__(self, move: float = 0.0, wrong: bool = False) -> None:
        self.move, self.wrong = move, wrong
        self.x, self.y = Box(-np.inf, np.inf, (2,)), Discrete(2)

    def tasks(self, split: Split) -> list[Shifted]:
        target = split == "target"
        move, wrong = self.move if target else 0.0, self.wrong and split == "source"
        return [Shifted(split, move, wrong, SPLITS.index(split))]


class MeanGap(Strategy):
    """Aligns the means of the features (the first-order term of MMD)."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.seen: list[Context] = []

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        self.seen.append(context)
        gap = context.features_source.mean(0) - context.features_target.mean(0)
        return {"gap": self.weight * gap.square().sum()}


class Trusting(Strategy):
    """Weighs the source examples by what they look like."""

    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        return weight_of(source_x)


def weight_of(x: Tensor) -> Tensor:
    return (x[:, 1] >= 0).float() * (1 + x[:, 0].abs())


class Ridge(Strategy):
    """Ridge regression in closed form, without a network."""

    def __init__(self, penalty: float = 1e-6) -> None:
        super().__init__()
        self.penalty = penalty

    def estimate(self, support: Batch, x: Tensor, space: Any) -> Tensor:
        known, new = (torch.cat([part, torch.ones(len(part), 1)], 1) for part in (support.x, x))
        gram = known.T @ known + self.penalty * torch.eye(known.shape[1])
        return new @ torch.linalg.solve(gram, known.T @ support.y)


class Lines(Domain[Any]):
    """An endless family that is linear, so that ridge regression is right."""

    def __init__(self) -> None:
        self.x, self.y = Box(-np.inf, np.inf, (3,)), Box(-np.inf, np.inf, (2,))

    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Line(rng.standard_normal((4, 2)))


@dataclass(frozen=True)
class Line:
    slope: Any
    name: str = "line"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        x = rng.standard_normal((n, 3))
        y = np.concatenate([x, np.ones((n, 1))], 1) @ self.slope
        return Batch(torch.tensor(x).float(), torch.tensor(y).float())


def quick_trainer(**options: Any) -> pl.Trainer:
    return fitting_trainer(**options)


def small_mlp() -> Network:
    torch.manual_seed(0)
    return Network({"hidden": nn.Sequential(nn.Linear(2, 8), nn.Tanh())}, nn.Linear(8, 2))


class Forwards(pl.Callback):
    """Counts the forward passes of the network in training."""

    count = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.network.register_forward_hook(lambda *_: setattr(self, "count", self.count + 1))


def gap_after_training(weight: float) -> tuple[float, MeanGap, Forwards, PairView]:
    strategy, forwards = MeanGap(weight), Forwards()
    learner = tlml.learner("supervised", network=small_mlp(), strategy=strategy, lr=0.02)
    view = learner.view(Clouds(move=2.0), batch_size=30, unlabelled=True, queries=5)
    assert isinstance(view, PairView)
    quick_trainer(max_epochs=5, callbacks=[forwards]).fit(learner, view)
    network = learner.network
    source, target = view.source_examples().x, view.unlabelled_examples()
    with torch.no_grad():
        gap = network.features(source).mean(0) - network.features(target).mean(0)
    return float(gap.norm()), strategy, forwards, view


def test_an_alignment_term_takes_part_in_training() -> None:
    apart, *_ = gap_after_training(0.0)
    together, strategy, forwards, view = gap_after_training(3.0)
    assert together < apart / 2
    batches = 5 * len(view.train_dataloader())
    assert len(strategy.seen) == batches
    assert forwards.count == batches  # both sides at once: nothing mixes the rows of an MLP
    first, last = strategy.seen[0], strategy.seen[-1]
    assert first.progress == 0.0 < last.progress < 1.0
    assert first.source.shape == first.target.shape == (30, 2)
    assert first.features_source.shape == first.features_target.shape == (30, 8)
    assert first.logits_source.shape == first.logits_target.shape == (30, 2)
    assert isinstance(first.network, Network)


def test_the_unlabelled_target_is_the_targets_without_the_query() -> None:
    _, strategy, _, view = gap_after_training(1.0)
    pool = view.unlabelled_examples()
    query = view.drawn().episode.query.x
    known = {row.numpy().tobytes() for row in pool}
    assert {row.numpy().tobytes() for c in strategy.seen for row in c.target} <= known
    assert known.isdisjoint(row.numpy().tobytes() for row in query)


class Compared(pl.Callback):
    """Compares the training loss with one that weighs by the inputs and knows of no index."""

    def __init__(self) -> None:
        self.pairs: list[tuple[float, float]] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        with torch.no_grad():
            each = nn.functional.cross_entropy(
                pl_module.network(batch.source.x), batch.source.y, reduction="none"
            )
        self.expected = float((weight_of(batch.source.x) * each).mean())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.pairs.append((self.expected, float(outputs["loss"])))


@pytest.mark.parametrize("balanced", [False, True])
def test_weights_reach_the_examples_they_were_made_for(balanced: bool) -> None:
    compared = Compared()
    learner = tlml.learner("supervised", network=small_mlp(), strategy=Trusting(), lr=0.02)
    view = learner.view(Clouds(wrong=True), batch_size=16, balanced=balanced, queries=5)
    quick_trainer(max_epochs=8, callbacks=[compared]).fit(learner, view)
    expected, found = zip(*compared.pairs, strict=True)
    assert len(found) == 8 * len(view.train_dataloader())
    assert found == pytest.approx(expected, rel=1e-5)
    # The wrong labels had no weight, so they were not learned.
    data = Clouds().tasks("target")[0].split("test")
    accuracy = (learner.predict_now(data.x).argmax(1) == data.y).float().mean()
    assert accuracy > 0.9


@pytest.mark.parametrize("steps", [1, 3])
def test_learned_rates_get_the_second_order_gradient(steps: int) -> None:
    episode = tiny_episode()
    learner = tiny_learner(LearnedRates(steps=steps))
    check_paths("learned rates", learner, episode)
    for path in ("loop", "vmap"):
        learner.vectorize = path  # type: ignore[assignment]
        found = slopes(lambda: learner.meta_loss(episode), dict(learner.named_parameters()))
        assert len(found) == 12
        assert all(exact == pytest.approx(d, rel=1e-6, abs=1e-7) for exact, d in found.values())
        rates = [exact for name, (exact, _) in found.items() if name.startswith("strategy.")]
        assert sum(abs(rate) > 1e-3 for rate in rates) == 5  # BatchNorm hides one bias


@pytest.mark.parametrize("steps", [1, 3])
def test_learned_rates_get_the_first_order_gradient(steps: int) -> None:
    episode = tiny_episode()
    learner = tiny_learner(LearnedRates(steps=steps))
    learner.first_order = True
    check_paths("learned rates, first order", learner, episode)
    task = one_task(episode, 0)
    exact = torch.autograd.grad(learner.problem().task_loss(*task), list(learner.parameters()))
    oracle = frozen_slopes_loss(learner, task)
    found = slopes(oracle, dict(learner.named_parameters()))
    generator = torch.Generator().manual_seed(1)  # as `slopes` draws its directions
    for (name, parameter), grad in zip(learner.named_parameters(), exact, strict=True):
        way = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        assert float((grad * way).sum()) == pytest.approx(found[name][1], rel=1e-6, abs=1e-7)


def frozen_slopes_loss(learner: GradientLearner, task: Episode) -> Any:
    """Return the query loss after steps along slopes that stay what they are now."""
    strategy, frozen = learner.strategy, []
    assert isinstance(strategy, LearnedRates)
    params = {name: p.detach() for name, p in learner.start().items()}
    for _ in range(strategy.max_steps):
        frozen.append(tlml.gradient(learner.loss, params, task.support))
        params = {n: p - strategy.rate(n).detach() * frozen[-1][n] for n, p in params.items()}

    def loss() -> Tensor:
        moved = learner.start()
        for slope in frozen:
            moved = {n: p - strategy.rate(n) * slope[n] for n, p in moved.items()}
        return learner.loss(moved, task.query)

    return loss


def test_one_adaptation_costs_one_loss_for_each_step() -> None:
    learner = tiny_learner(Descent(steps=4))
    losses = []
    inner = learner.loss
    learner.loss = lambda *given: losses.append(1) or inner(*given)  # type: ignore[method-assign,func-returns-value]
    for first_order in (False, True):
        learner.first_order = first_order
        losses.clear()
        learner.adapted(one_task(tiny_episode(), 0).support)
        assert len(losses) == 4


def test_an_estimator_is_tested_without_a_fit() -> None:
    learner = tlml.learner("estimator", strategy=Ridge())
    view = EpisodeView(Lines(), shots=8, queries=6, episodes=4, tasks_per_batch=2)
    (logged,) = quick_trainer().test(learner, view, verbose=False)
    assert [record["episode"] for record in learner.records] == [0, 1, 2, 3]
    assert all(record["mse"] < 1e-6 for record in learner.records)
    assert all(record["gradient_steps"] == 0 for record in learner.records)
    assert logged["test_mse"] == pytest.approx(np.mean([r["mse"] for r in learner.records]))


def test_another_estimator_is_tested_on_the_same_episodes() -> None:
    learner = tlml.learner("estimator", strategy=Ridge())
    strong = Ridge(penalty=1e3)
    view = EpisodeView(Lines(), shots=8, queries=6, episodes=2, tasks_per_batch=2, adapt=strong)
    quick_trainer().test(learner, view, verbose=False)
    for record in learner.records:
        episode = view.dataset("target")[record["episode"]]
        guess = Ridge(penalty=1e3).estimate(episode.support, episode.query.x, view.spaces.y)
        assert record["mse"] == pytest.approx(float((guess - episode.query.y).square().mean()))
        assert record["mse"] > 0.1

"""Inner loops and the learners made of them: what moves, what is learned, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from inner_loops import trained_network
from reinforce import Reinforce, policy
from tiny import Tables
from torch import Tensor, nn
from trainers import fitting_trainer

import tlml
from tlml import Batch, EpisodeView
from tlml.data import Params
from tlml.testing.toys import Walks

LEARNERS = ("anil", "boil", "imaml", "maml", "maml_pp", "meta_curvature", "meta_sgd", "reptile")
NAMES = ("0.weight", "1.weight", "1.bias", "3.weight", "3.bias")


def support(n: int = 6) -> Batch:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(n, 2, generator=rng)
    return Batch(x, torch.sin(x[:, :1]))


def path_of(strategy: tlml.Strategy) -> list[Params]:
    """Return the parameters before and after each inner step on one support."""
    learner = tlml.learner("maml", network=trained_network(), strategy=strategy)
    start = learner.start()
    learner.train(strategy.training)
    return [start, *strategy.steps(learner.loss, start, support())]


def moved(strategy: tlml.Strategy) -> set[str]:
    start, *_, end = path_of(strategy)
    return {name for name in start if not torch.equal(start[name], end[name])}


# What moves


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("sgd", {}, set(NAMES)),
        ("meta_sgd", {}, set(NAMES)),
        ("meta_curvature", {}, set(NAMES)),
        ("implicit", {}, set(NAMES)),
        ("head_sgd", {}, {"3.weight", "3.bias"}),
        ("body_sgd", {}, set(NAMES) - {"3.weight", "3.bias"}),
        ("per_step_sgd", {}, set(NAMES) - {"1.weight", "1.bias"}),
        ("per_step_sgd", {"norms": "shared"}, set(NAMES) - {"1.weight", "1.bias"}),
        ("per_step_sgd", {"norms": "adapted"}, set(NAMES)),
    ],
)
def test_an_inner_loop_moves_its_parameters_only(name, options, expected):
    assert moved(tlml.strategy(name, lr=0.1, steps=2, **options)) == expected


def test_batchnorm_per_step_is_that_of_the_step():
    strategy = tlml.strategy("per_step_sgd", lr=0.1, steps=3)
    tlml.learner("maml", network=trained_network(), strategy=strategy)
    later = strategy._later["1.weight"]
    assert later.shape == (2, 4)
    with torch.no_grad():
        later += torch.tensor([[1.0], [2.0]])
    start = dict(trained_network().named_parameters())
    ends = list(strategy.steps(lambda p, _: sum(v.sum() for v in p.values()), start, None))
    assert [float(end["1.weight"][0].detach()) for end in ends] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["head_sgd", "body_sgd"])
def test_a_long_adaptation_moves_the_same_part(name):
    strategy = tlml.strategy(name)
    groups = tlml.param_groups(trained_network(), strategy)
    found = {parameter for group in groups for parameter in group["names"]}
    assert found == {n for n in NAMES if n.startswith("3.") == (name == "head_sgd")}


def test_any_trained_network_is_adapted_by_an_inner_loop():
    learner = tlml.learner("supervised", network=trained_network())
    view = EpisodeView(Tables(), shots=4, queries=4, episodes=2, adapt=tlml.strategy("head_sgd"))
    learner.view(Tables())
    fitting_trainer().test(learner, view, verbose=False)
    assert [record["gradient_steps"] for record in learner.records] == [5, 5]


# What is learned


def test_the_learned_rates_of_meta_sgd_are_a_dict_by_parameter_name():
    learner = tlml.learner(
        "meta_sgd", network=trained_network(), strategy=tlml.strategy("meta_sgd", lr=0.02, steps=1)
    )
    rates = learner.strategy.rates
    assert type(rates) is dict
    named = dict(trained_network().named_parameters())
    assert {name: rate.shape for name, rate in rates.items()} == {
        name: p.shape for name, p in named.items()
    }
    assert all(torch.equal(rate, torch.full_like(rate, 0.02)) for rate in rates.values())
    assert all(isinstance(rate, nn.Parameter) for rate in rates.values())
    assert {id(rate) for rate in rates.values()} <= {id(p) for p in learner.parameters()}


@pytest.mark.parametrize(
    ("name", "options", "shapes"),
    [
        ("sgd", {}, {}),
        ("sgd", {"learn_lr": True}, dict.fromkeys(NAMES, ())),
        ("head_sgd", {"learn_lr": True}, {"3.weight": (), "3.bias": ()}),
        ("per_step_sgd", {}, dict.fromkeys(("0.weight", "3.weight", "3.bias"), (5,))),
        ("per_step_sgd", {"norms": "adapted"}, dict.fromkeys(NAMES, (5,))),
        ("per_step_sgd", {"learn_lr": False}, {}),
    ],
)
def test_every_inner_loop_says_which_rates_it_learns(name, options, shapes):
    strategy = tlml.strategy(name, **options)
    tlml.learner("maml", network=trained_network(), strategy=strategy)
    assert {n: tuple(rate.shape) for n, rate in strategy.rates.items()} == shapes


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("name", ["sgd", "meta_sgd", "per_step_sgd", "meta_curvature"])
def test_training_changes_what_is_learned(name, first_order):
    options = {"learn_lr": True} if name == "sgd" else {}
    strategy = tlml.strategy(name, lr=0.1, steps=2, **options)
    learner = tlml.learner(
        "maml", network=trained_network(), strategy=strategy, first_order=first_order
    )
    before = {n: p.detach().clone() for n, p in strategy.named_parameters()}
    view = learner.view(Tables(), shots=5, queries=5, tasks_per_batch=2, episodes=4)
    fitting_trainer(max_epochs=1).fit(learner, view)
    assert len(before) >= 1
    assert not {n for n, p in strategy.named_parameters() if torch.equal(p, before[n])}


@pytest.mark.parametrize("name", LEARNERS)
def test_a_checkpoint_brings_learner_and_inner_loop_back(name, tmp_path):
    learner = tlml.learner(name, network="mlp", seed=2)
    view = learner.view(Tables(), shots=5, queries=5, tasks_per_batch=2, episodes=4)
    run = fitting_trainer(max_epochs=1)
    run.fit(learner, view)
    run.save_checkpoint(tmp_path / "one.ckpt")
    again = tlml.load(tmp_path / "one.ckpt")
    assert type(again) is type(learner)
    assert type(again.strategy) is type(learner.strategy)
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in learner.state_dict().items())
    x = torch.randn(3, 2)
    assert torch.equal(again.predict(support(), x), learner.predict(support(), x))


# Numbers of steps


def test_a_test_may_take_more_steps_and_goes_on_with_the_last_rates():
    strategy = tlml.strategy("per_step_sgd", lr=0.1, steps=2, test_steps=4)
    trained = path_of(strategy)
    assert len(trained) == 1 + 2
    strategy = tlml.strategy("per_step_sgd", lr=0.1, steps=2, test_steps=4).eval()
    learner = tlml.learner("maml", network=trained_network(), strategy=strategy)
    with torch.no_grad():
        strategy.rates["3.bias"].copy_(torch.tensor([0.1, 0.5]))
    slope = {name: torch.ones_like(p) for name, p in trained_network().named_parameters()}
    ends = list(
        strategy.steps(
            lambda p, _: sum((slope[n] * v).sum() for n, v in p.items()), learner.start(), None
        )
    )
    values = torch.stack([learner.start()["3.bias"], *[end["3.bias"] for end in ends]]).detach()
    torch.testing.assert_close(-values.diff(dim=0).flatten(), torch.tensor([0.1, 0.5, 0.5, 0.5]))


def test_the_steps_of_a_test_are_those_of_a_lightning_test():
    learner = tlml.learner(
        "maml", network=trained_network(), strategy=tlml.strategy("sgd", steps=1, test_steps=7)
    )
    view = learner.view(Tables(), shots=4, queries=4, episodes=2)
    fitting_trainer(max_epochs=1).fit(learner, view)
    fitting_trainer().test(learner, view, verbose=False)
    assert {record["gradient_steps"] for record in learner.records} == {7}
    assert len(list(learner.train().strategy.steps(learner.loss, learner.start(), support()))) == 1


@pytest.mark.parametrize("name", ["sgd", "meta_sgd"])
def test_the_steps_of_a_test_are_those_of_the_strategy_that_its_view_names(name):
    learner = tlml.learner("maml", network=trained_network(), strategy=tlml.strategy(name, steps=1))
    learner.view(Tables(), shots=4, queries=4)
    adapt = tlml.strategy(name, steps=1, test_steps=7)
    view = tlml.EpisodeView(Tables(), shots=4, queries=4, episodes=2, adapt=adapt)
    fitting_trainer().test(learner, view, verbose=False)
    assert {record["gradient_steps"] for record in learner.records} == {7}
    assert adapt.training  # what was given stays as it is


@pytest.mark.parametrize("name", ["sgd", "meta_sgd", "head_sgd"])
def test_rollouts_are_collected_once_in_each_step(name):
    learner = Reinforce(tlml.strategy(name, lr=0.5, steps=3), policy())
    view = learner.view(Walks(), envs=2, tasks=1, test_tasks=1)
    (environments,) = next(iter(view.train_dataloader()))
    adapted = learner.adapted(environments)
    assert len(learner.rollouts) == 3
    assert not torch.equal(adapted["head.bias"], learner.start()["head.bias"])
    same = torch.equal(adapted["blocks.hidden.0.weight"], learner.start()["blocks.hidden.0.weight"])
    assert same == (name == "head_sgd")
    learner.loss(adapted, environments).backward()
    assert all(p.grad is not None for p in learner.parameters())


def test_implicit_steps_call_the_loss_once_each_and_once_going_back():
    calls = []
    strategy = tlml.strategy("implicit", steps=6)
    learner = tlml.learner("imaml", network=trained_network(), strategy=strategy)

    def loss(params: Params, batch: Batch) -> Tensor:
        calls.append(1)
        return learner.loss(params, batch)

    adapted = strategy.adapt(loss, learner.start(), support())
    assert len(calls) == 6
    adapted["3.weight"].sum().backward()
    assert len(calls) == 7


# Schedules


def rates_along(learner: tlml.Learner, epochs: int) -> list[float]:
    """Return the outer rate in each step of a fit of two steps an epoch."""
    seen: list[float] = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
            seen.append(optimizer.param_groups[0]["lr"])

    view = learner.view(Tables(), shots=4, queries=4, tasks_per_batch=2, episodes=4)
    fitting_trainer(max_epochs=epochs, callbacks=[Watch()]).fit(learner, view)
    return seen


def test_the_meta_rate_of_maml_pp_follows_a_cosine():
    learner = tlml.learner("maml_pp", network=trained_network(), lr=0.01, min_lr=0.002)
    steps = torch.arange(6, dtype=torch.float64)
    expected = 0.002 + 0.008 * (1 + torch.cos(torch.pi * steps / 6)) / 2
    assert rates_along(learner, 3) == pytest.approx(expected.tolist())
    constant = tlml.learner("maml_pp", network=trained_network(), lr=0.01, cosine=False)
    assert rates_along(constant, 1) == [0.01, 0.01]


def test_the_step_of_reptile_falls_to_zero():
    learner = tlml.learner("reptile", network=trained_network(), lr=0.6)
    assert rates_along(learner, 3) == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    constant = tlml.learner("reptile", network=trained_network(), lr=0.6, anneal=False)
    assert rates_along(constant, 1) == [0.6, 0.6]


def test_maml_pp_begins_in_first_order():
    orders = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
            orders.append(module.first_order)

    learner = tlml.learner("maml_pp", network=trained_network(), first_order_epochs=2)
    view = learner.view(Tables(), shots=4, queries=4, episodes=4)
    fitting_trainer(max_epochs=4, callbacks=[Watch()]).fit(learner, view)
    assert orders == [True, True, False, False]

"""Agents that adapt, in a Trainer: resumed, ended in time, trained by strategies, and tested."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapting_agents import SMALL, judged, maml
from agents import Lines
from policy_agents import values_of
from refusals import stops
from trainers import Stop, fitting_trainer, quiet_trainer

import tlml
from tlml import EnvView
from tlml.data import Trials
from tlml.testing import check_learner
from tlml_rl.base.policy_problem import StackedPath
from tlml_rl.maml_rl import MamlRl
from tlml_rl.multitask_rl import MultitaskRl
from tlml_rl.worlds.navigation2d import Navigation2d


@pytest.mark.parametrize("kind", [MamlRl, MultitaskRl])
def test_a_killed_fit_goes_on_bit_for_bit(tmp_path: Path, kind: Any) -> None:
    whole, killed, resumed = (maml(kind=kind) for _ in range(3))
    options = {"envs": 2, "tasks_per_batch": 2, "tasks": 8, "seed": 4}
    fitting_trainer(max_epochs=1).fit(whole, whole.view(Navigation2d(), **options))
    path = tmp_path / "killed.ckpt"
    run = fitting_trainer(max_epochs=1, callbacks=[Stop(2, path)])
    run.fit(killed, killed.view(Navigation2d(), **options))
    run = fitting_trainer(max_epochs=1)
    run.fit(resumed, resumed.view(Navigation2d(), **options), ckpt_path=path)
    assert int(whole.env_steps) == int(resumed.env_steps) == 2 * int(killed.env_steps)
    assert not torch.equal(values_of(resumed), values_of(killed))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    loaded = kind.load_from_checkpoint(path, weights_only=True)
    seen = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert (loaded.act(seen) == killed.act(seen)).all()
    again = pickle.loads(pickle.dumps(resumed))
    assert (again.act(seen) == resumed.act(seen)).all()


def test_a_fit_ends_at_its_steps_in_environments_and_tells_of_them() -> None:
    agent = maml(max_env_steps=300, horizon=50)
    view = agent.view(Navigation2d(), envs=2, tasks_per_batch=2, tasks=100, test_tasks=3)
    run = quiet_trainer(max_epochs=-1, log_every_n_steps=1)
    run.fit(agent, view)
    assert int(agent.env_steps) == 400  # a batch is 2 tasks, 2 episodes, 2 rollouts of 50
    told = run.callback_metrics
    assert {"val_return", "val_return_before", "train_return_0", "train_return_after"} <= set(told)
    assert agent.act(np.zeros((3, 2), np.float32)).shape == (3, 2)


@pytest.mark.parametrize("strategy", [None, "linear_probe", "l2_sp"])
def test_strategies_take_part_in_its_training(strategy: str | None) -> None:
    agent = maml(epochs=2, lr=0.05)
    view = agent.view(Navigation2d(), envs=2, tasks_per_batch=2, tasks=4)
    before = {name: value.clone() for name, value in agent.network.named_parameters()}
    callbacks = [] if strategy is None else [tlml.Adapt(strategy)]
    fitting_trainer(max_epochs=1, callbacks=callbacks).fit(agent, view)
    now = dict(agent.network.named_parameters())
    moved = {name for name, value in before.items() if not torch.equal(now[name], value)}
    heads = {name for name in before if name.startswith("head.")}
    assert moved == (heads if strategy == "linear_probe" else set(before))
    if strategy == "l2_sp":
        plain = maml(epochs=2, lr=0.05)
        own = plain.view(Navigation2d(), envs=2, tasks_per_batch=2, tasks=4)
        fitting_trainer(max_epochs=1).fit(plain, own)
        assert not torch.equal(values_of(plain), values_of(agent))


def test_a_strategy_claims_a_network_once() -> None:
    first = maml()
    first.view(Navigation2d())
    strategy = tlml.strategy("meta_sgd", lr=0.1, steps=1)
    agent = MamlRl(strategy=strategy, spaces=first.hparams["spaces"], **SMALL)
    with torch.no_grad():
        for rate in agent.strategy.parameters():
            rate.fill_(0.7)
    agent.view(Navigation2d())
    rates = list(agent.strategy.parameters())
    assert rates and all(bool((rate == 0.7).all()) for rate in rates)


# Tests that adapt


def test_records_tell_the_return_before_and_after_each_step_and_what_it_took() -> None:
    agent = maml(steps=2, horizon=50)
    agent.view(Navigation2d())
    before, counted = values_of(agent), int(agent.env_steps)
    found = judged(agent)
    assert torch.equal(values_of(agent), before) and int(agent.env_steps) == counted
    for record in found:
        assert len(record["return_by_step"]) == 3
        assert record["return_by_step"][0] == record["return_before"]
        assert (
            record["return_by_step"][2]
            == record["return"]
            == pytest.approx(np.mean(record["returns"]))
        )
        assert record["gradient_steps"] == 2
        assert 0 < record["adapt_env_steps"] <= 2 * 5 * 50
        assert 0 < record["env_steps"] <= 2 * 50
        assert record["seconds"] > 0
    again = judged(agent, vectorization="native")
    for record, other in zip(found, again, strict=True):
        assert other["return_by_step"] == pytest.approx(record["return_by_step"], rel=1e-6)
    fewer = judged(agent, adapt=tlml.strategy("sgd", lr=0.3, steps=1))
    for record, other in zip(found, fewer, strict=True):
        assert other["return_by_step"] == record["return_by_step"][:2]


def test_all_tasks_at_once_are_adapted_to_and_judged_as_one_by_one() -> None:
    agent = maml(steps=2, horizon=50)
    agent.view(Navigation2d())
    expected = [record["return_by_step"] for record in judged(agent, vectorization="native")]
    view = EnvView(
        Navigation2d(), envs=5, test_tasks=4, tasks_per_batch=4, test_episodes=2, seed=9,
        vectorization="native",
    )  # fmt: skip
    (tasks,) = view.test_dataloader()
    problem, trials = agent.problem(path=StackedPath(together=4)), Trials(tasks)
    with torch.no_grad():
        places = [problem.start(), *problem.steps(problem.start(), trials)]
        found = [problem.judged(params, tasks) for params in places]
    for task, own in enumerate(expected):
        means = [np.mean([total for total, _ in each[task]]) for each in found]
        assert means == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("name", ["full", "linear_probe"])
def test_a_test_adapts_by_the_strategy_that_it_is_given(name: str) -> None:
    agent = maml(horizon=50)
    agent.view(Navigation2d())
    (first, *_) = judged(agent, adapt=tlml.strategy(name, lr=0.05, steps=3))
    assert len(first["return_by_step"]) == 4 and first["gradient_steps"] == 3
    assert len(set(first["return_by_step"])) > 1
    (kept, *_) = judged(agent, adapt=tlml.strategy("sgd", lr=1e-9, steps=1), head="new")
    # With a head of zeros it stays where it is.
    assert kept["return_before"] == pytest.approx(kept["return"], rel=1e-4)
    assert kept["length"] == 50


def test_an_adaptation_helps_on_the_task_that_it_saw() -> None:
    agent = maml(horizon=50, network_options={"hidden": [32, 32]})
    agent.view(Navigation2d())
    found = judged(agent, adapt=tlml.strategy("sgd", lr=1.0, steps=5), vectorization="native")
    assert np.mean([one["return"] - one["return_before"] for one in found]) > 1


def test_numbered_actions_are_adapted_to_as_well() -> None:
    agent = maml(steps=1)
    agent.view(Lines())
    found = judged(agent, Lines())
    assert [len(record["return_by_step"]) for record in found] == [2]


# What is refused


def test_an_inner_loop_that_can_t_be_differentiated_is_refused() -> None:
    agent = MamlRl(strategy="full", **SMALL)
    view = agent.view(Navigation2d(), tasks=2, envs=2)
    with stops("strategy Full: its steps can't be differentiated, so MamlRl can't learn through"):
        fitting_trainer(max_epochs=1).fit(agent, view)


def test_a_step_that_diverges_is_named() -> None:
    agent = maml(horizon=50)
    agent.view(Navigation2d())
    with stops("task 0: adapting by Sgd diverged at inner step"):
        judged(agent, adapt=tlml.strategy("sgd", lr=1e38, steps=3))


@pytest.mark.parametrize("options", [{"adapt": "sgd"}, {"head": "new"}], ids=str)
def test_agents_that_do_not_adapt_within_a_test_say_so(options: Any) -> None:
    agent: Any = tlml.learner("ppo", max_env_steps=10)
    agent.view(Navigation2d())
    given = {name: tlml.strategy(v) if name == "adapt" else v for name, v in options.items()}
    with stops(f"{next(iter(options))}: PPO does not adapt within a test; train it on the task"):
        judged(agent, **given)


@pytest.mark.parametrize("kind", [MamlRl, MultitaskRl])
def test_a_learner_that_adapts_passes_the_checks(kind: Any) -> None:
    check_learner(kind)

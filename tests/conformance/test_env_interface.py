"""REINFORCE with an inner loop that collects its rollouts anew: the interface that RL will use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import stops
from reinforce import Reinforce, policy
from trainers import quiet_trainer

from tlml import EnvView
from tlml.testing import check_learner
from tlml.testing.toys import Descent, Walks


def measured(steps: int, envs: int = 40) -> Reinforce:
    learner = Reinforce(Descent(lr=2.0, steps=steps), policy())
    view = EnvView(Walks(), test_episodes=envs, test_tasks=6, seed=3)
    (logged,) = quiet_trainer().test(learner, view, verbose=False)
    assert logged["test_return"] == pytest.approx(np.mean(returns(learner)))
    return learner


def returns(learner: Reinforce) -> list[float]:
    return [record["return"] for record in learner.records]


def test_each_inner_step_collects_once_with_the_parameters_it_is_at() -> None:
    learner = measured(steps=3)
    assert [index for index, _ in learner.rollouts] == [i for i in range(6) for _ in range(3)]
    start = learner.built().head.bias.tolist()
    assert [bias == start for _, bias in learner.rollouts] == [True, False, False] * 6


def test_adapting_makes_the_return_higher_on_the_same_tasks() -> None:
    before, after = returns(measured(steps=0)), returns(measured(steps=5))
    assert len(before) == len(after) == 6
    assert np.mean(after) > np.mean(before) + 1
    assert sum(a > b for a, b in zip(after, before, strict=True)) >= 5


def test_a_test_gives_the_same_returns_again() -> None:
    assert returns(measured(steps=1, envs=5)) == returns(measured(steps=1, envs=5))


def test_the_outer_loop_collects_inner_steps_plus_one_for_each_task() -> None:
    learner = Reinforce(Descent(lr=0.5, steps=2), policy())
    view = learner.view(Walks(), envs=4, tasks=6, tasks_per_batch=3, test_tasks=2)
    before = [p.detach().clone() for p in learner.parameters()]
    run = quiet_trainer(max_epochs=2, limit_val_batches=0)
    run.fit(learner, view)
    assert run.global_step == 4
    assert len(learner.rollouts) == 2 * 6 * (2 + 1)
    # Training tasks are fresh in every epoch.
    assert sorted({index for index, _ in learner.rollouts}) == list(range(12))
    assert all(not torch.equal(p, q) for p, q in zip(learner.parameters(), before, strict=True))


def test_the_outer_gradient_goes_through_the_inner_rollouts_parameters() -> None:
    learner = Reinforce(Descent(lr=0.5, steps=1), policy())
    view = learner.view(Walks(), envs=4, tasks=1, test_tasks=1)
    (batch,) = next(iter(view.train_dataloader()))
    adapted = learner.adapted(batch)
    learner.loss(adapted, batch).backward()
    through = [p.grad.clone() for p in learner.parameters() if p.grad is not None]
    learner.zero_grad()
    learner.rollouts = learner.rollouts[:1]
    leaves = {name: p.detach().requires_grad_() for name, p in adapted.items()}
    learner.loss(leaves, batch).backward()
    first_order = [p.grad for p in leaves.values()]
    assert len(through) == len(first_order) == 4
    assert any(not torch.allclose(a, b) for a, b in zip(through, first_order, strict=True))  # type: ignore[arg-type]


def test_inner_steps_are_not_collected_anew_to_save_memory() -> None:
    learner = Reinforce(Descent(lr=0.5, steps=1), policy())
    learner.memory = "low"
    view = learner.view(Walks(), envs=2, tasks=1, test_tasks=1)
    with stops("memory: 'low' computes inner steps anew when it goes back"):
        quiet_trainer(max_epochs=1).fit(learner, view)
    assert learner.rollouts == []


def test_a_learner_that_acts_passes_the_checks() -> None:
    check_learner(Reinforce)

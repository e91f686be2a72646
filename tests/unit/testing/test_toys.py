"""Small domains and strategies for tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlml import Batch
from tlml.data import SPLITS, keyed_rng
from tlml.testing.toys import Clouds, Descent, LearnedRates, Nearest, Planes, Pushes, Walks


@pytest.mark.parametrize("domain", [Planes(), Clouds()], ids=type)
def test_tasks_are_the_same_each_time_and_fit_their_spaces(domain: Planes | Clouds) -> None:
    for split in SPLITS:
        tasks, again = domain.tasks(split), domain.tasks(split)
        assert len(tasks) == len(again) > 0
        for task, other in zip(tasks, again, strict=True):
            data, same = task.split("train"), other.split("train")
            assert torch.equal(data.x, same.x) and torch.equal(data.y, same.y)
            assert data.x.shape[1:] == domain.x.shape


def test_the_goal_of_a_walk_is_drawn_and_steps_towards_it_pay() -> None:
    domain = Walks()
    one, other = (domain.draw("source", keyed_rng(0, "source", i)) for i in range(2))
    assert one != other
    env = one.make(3)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    rewards = [env.step(action)[1] for action in range(env.action_space.n)]
    assert np.isfinite(rewards).all() and len(set(rewards)) > 1


def test_pushes_are_walks_by_numbers() -> None:
    domain = Pushes()
    task = domain.draw("source", keyed_rng(0, "source", 0))
    walk = Walks().draw("source", keyed_rng(0, "source", 0))
    assert (task.name, task.goal) == (walk.name, walk.goal)
    env, other = task.make(3), walk.make(3)
    assert env.action_space == domain.y
    assert np.array_equal(env.reset()[0], other.reset()[0])
    found, expected = env.step(np.array([1.0, 0.0], np.float32)), other.step(1)
    assert np.array_equal(found[0], expected[0]) and found[1:] == expected[1:]


def loss(params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
    return (params["w"] ** 2).sum()


def test_descent_takes_plain_steps() -> None:
    start = {"w": torch.tensor([1.0, -2.0])}
    steps = list(Descent(lr=0.25, steps=2).steps(loss, start, None))
    assert [step["w"].tolist() for step in steps] == [[0.5, -1.0], [0.25, -0.5]]


def test_learned_rates_are_parameters_of_the_strategy() -> None:
    strategy = LearnedRates(lr=0.25, steps=1)
    strategy.claim(torch.nn.Linear(2, 1))
    assert len(list(strategy.parameters())) == 2
    assert float(strategy.rate("weight").detach().flatten()[0]) == pytest.approx(0.25)


def test_the_nearest_example_decides() -> None:
    support = Batch(torch.tensor([[0.0], [10.0]]), torch.tensor([0, 1]))
    from gymnasium.spaces import Discrete

    scores = Nearest().estimate(support, torch.tensor([[1.0], [9.0]]), Discrete(2))
    assert scores.argmax(1).tolist() == [0, 1]

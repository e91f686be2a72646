"""Inner problems: what decides loss, scores and start, and what a learner may write itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml import Batch, Episode, GradientLearner, Strategy, TlmlError
from tlml.learners import TargetAdapter
from tlml.meta import InnerProblem, LoopPath
from tlml.networks import mlp
from tlml.testing.toys import Descent


def task(n: int = 6) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    return Batch(x, x.sum(1, keepdim=True))


def learner(kind: type[GradientLearner] = GradientLearner, **options: Any) -> GradientLearner:
    return kind(mlp((2,), 1, hidden=[4]), Descent(lr=0.1, steps=2), **options).double()


def test_the_public_methods_are_those_of_the_problem_in_training() -> None:
    made, support = learner(), task()
    problem = made.problem()
    params = made.start()
    assert torch.equal(made.loss(params, support), problem.loss(params, support))
    assert torch.equal(made.scores(params, support.x), problem.scores(params, support.x))
    for name, value in problem.adapted(support).items():
        assert torch.equal(value, made.adapted(support)[name])
        assert value.requires_grad


def test_a_problem_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        learner().problem().path = LoopPath()  # type: ignore[misc]


def test_two_problems_of_one_learner_don_t_disturb_each_other() -> None:
    made, support = learner(), task()
    net = mlp((2,), 1, hidden=[4]).double()
    other = made.problem(TargetAdapter(Descent(lr=0.1, steps=1), net, Discrete(2)))
    own = made.problem()
    before = own.loss(own.start(), support)
    moved = other.adapted(support)
    assert not any(value.requires_grad for value in moved.values())
    assert torch.equal(own.loss(own.start(), support), before)
    assert other.adapter.attempt.calls == 1  # type: ignore[attr-defined]


def test_what_is_trained_through_is_the_exact_gradient() -> None:
    made, support, query = learner(), task(6), task(4)
    loss, slopes = made.problem(path=LoopPath()).task_slopes(support, query)
    expected = F.mse_loss(made.scores(made.adapted(support), query.x), query.y)
    torch.testing.assert_close(loss, expected)
    grads = torch.autograd.grad(expected, list(made.parameters()))
    for slope, grad in zip(slopes.values(), grads, strict=True):
        torch.testing.assert_close(slope, grad, rtol=1e-10, atol=1e-12)


class Detached(Descent):
    """Takes steps that can't be differentiated."""

    def steps(self, loss: Any, params: Any, support: Any) -> Any:
        for found in super().steps(loss, params, support):
            yield {name: value.detach() for name, value in found.items()}


def test_steps_without_gradient_are_refused() -> None:
    made = GradientLearner(mlp((2,), 1), Detached()).double()
    message = "strategy Detached: its steps can't be differentiated, so GradientLearner can't learn"
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}"):
        made.problem(path=LoopPath()).task_slopes(task(), task())


# What a learner may write itself


class Doubled(GradientLearner):
    def loss(self, params: Any, batch: Any) -> Tensor:
        return 2 * super().loss(params, batch)


def test_a_loss_of_one_s_own_is_what_inner_steps_go_down() -> None:
    own, plain = learner(Doubled), learner()
    own.load_state_dict(plain.state_dict())
    start = plain.start()
    step = {n: v - 0.2 * g for (n, v), g in zip(start.items(), torch.autograd.grad(
        plain.loss(start, task()), list(start.values())), strict=True)}  # fmt: skip
    own.strategy.max_steps = 1
    for name, value in own.adapted(task()).items():
        torch.testing.assert_close(value, step[name])


def test_a_loss_of_one_s_own_is_refused_where_it_can_not_see_what_is_attached() -> None:
    class Grafting(Strategy):
        def attach(self, network: nn.Module) -> None:
            network.head = nn.Sequential(network.head, nn.Linear(1, 1).double())

    made, net = learner(Doubled), mlp((2,), 1, hidden=[4]).double()
    problem = made.problem(TargetAdapter(Grafting().claim(net), net, Discrete(2)))
    message = (
        "strategy Grafting: Doubled computes its loss by a method of its own, which can't see the "
        "network that it attaches; write loss() in a problem_type"
    )
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}$"):
        problem.adapted(task())


class RootProblem(InnerProblem):
    def standard_loss(self, params: Any, batch: Any) -> Tensor:
        return super().standard_loss(params, batch).sqrt()


class Root(GradientLearner):
    problem_type = RootProblem


def test_a_problem_of_one_s_own_serves_training_and_tests() -> None:
    made = learner(Root)
    params, support = made.start(), task()
    expected = F.mse_loss(made.scores(params, support.x), support.y).sqrt()
    assert torch.equal(made.loss(params, support), expected)
    assert made.network is not None
    in_test = made.problem(TargetAdapter(made.strategy, made.network, Discrete(2)))
    assert torch.equal(in_test.loss(in_test.start(), support), expected.detach())


@pytest.mark.parametrize("name", ["scores", "start", "adapted", "task_loss", "inner_loss"])
def test_overriding_what_problems_don_t_ask_for_is_refused_at_once(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Mine overrides {name}\(\), which adaptations"):
        type("Mine", (GradientLearner,), {name: lambda self: None})


class Constant(GradientLearner):
    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 1)


def test_a_prediction_of_one_s_own_takes_no_other_strategy() -> None:
    made = learner(Constant)
    assert made.network is not None
    own = TargetAdapter(made.strategy, made.network, Discrete(2))
    assert torch.equal(made.predict_by(own, task(), task().x), torch.zeros(6, 1))
    other = TargetAdapter(tlml.strategy("full"), made.network, Discrete(2))
    with pytest.raises(TlmlError, match=r"^adapt: Constant predicts by a method of its own, which"):
        made.predict_by(other, task(), task().x)


def test_what_a_user_froze_stays_in_every_step() -> None:
    made, support = learner(), task()
    network = made.built()
    network.blocks.requires_grad_(False)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for adapter in (None, TargetAdapter(Descent(lr=0.1, steps=2), network, Discrete(2))):
        problem = made.problem(adapter)
        for params in (*problem.steps(problem.start(), support), problem.adapted(support)):
            same = {name for name, value in params.items() if torch.equal(value, before[name])}
            assert same == {name for name in before if name.startswith("blocks")}
            assert list(params) == list(before)
    made.meta_loss(Episode(*(Batch(*(part[None] for part in task())) for _ in range(2)))).backward()
    assert {n for n, p in network.named_parameters() if p.grad is None} == same


def test_a_new_head_is_not_frozen_where_the_old_one_was() -> None:
    network = mlp((2,), 1, hidden=[4])
    network.requires_grad_(False)
    adapter = TargetAdapter(Descent(lr=0.1, steps=2), network, Discrete(3), new_head=True)
    assert adapter.frozen == {"blocks.hidden1.linear.weight", "blocks.hidden1.linear.bias"}

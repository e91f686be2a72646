"""What a test carries from task to task: nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from carried import FOUR, trained_for
from tiny import Letters
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, PairView, Strategy
from tlml.learners.adapter import adapter_for


def records_of(learner: tlml.Learner, view: tlml.View) -> list[dict[str, Any]]:
    trainer = quiet_trainer()
    trainer.test(learner, datamodule=view, verbose=False)
    return learner.records


class Recording(Strategy):
    """Keeps where each adaptation starts, and changes nothing."""

    def __init__(self) -> None:
        super().__init__(steps=0)
        self.starts: list[dict[str, torch.Tensor]] = []

    def start(self, params, fresh):
        self.starts.append(dict(params))
        return params

    def __deepcopy__(self, memo: Any) -> Recording:
        return self  # the test looks at what the copy would have kept

    def claim(self, network):
        return self


def test_a_new_head_is_of_zeros_and_in_the_tasks_size():
    learner, strategy = trained_for(6, "pool"), Recording()
    view = EpisodeView(
        Letters(), ways=3, shots=1, queries=1, episodes=2, adapt=strategy, head="new"
    )
    records = records_of(learner, view)
    assert len(strategy.starts) == 2
    for params in strategy.starts:
        assert params["head.weight"].shape == (3, 4)
        assert not params["head.weight"].any()
        assert not params["head.bias"].any()
        assert torch.equal(params["blocks.hidden1.linear.weight"],
                           learner.network.blocks.hidden1.linear.weight)  # fmt: skip
    # Zeros say that all three classes are equally likely.
    assert records[0]["loss"] == pytest.approx(np.log(3))
    assert learner.network.head.weight.shape == (6, 4)


def test_a_kept_head_is_the_learners():
    learner, strategy = trained_for(4, "domain"), Recording()
    records_of(learner, EpisodeView(FOUR, shots=1, queries=1, episodes=1, adapt=strategy))
    params = strategy.starts[0]
    for name, value in learner.network.named_parameters():
        assert torch.equal(params[name], value)
        assert not params[name].requires_grad


class Grafting(Strategy):
    """Puts a random layer into the network that it is attached to."""

    def attach(self, network: nn.Module) -> None:
        network.head = nn.Sequential(nn.Linear(4, 4), network.head)
        self.rate = nn.Parameter(torch.randn(()))


def test_the_views_strategy_adapts_and_stays_as_it_is():
    view = EpisodeView(FOUR, shots=1, queries=2, episodes=2, adapt=tlml.strategy("full", steps=3))
    kept = view.adapt
    for learner in (trained_for(4, "domain"), trained_for(4, "domain")):
        adapter = adapter_for(learner, view)
        assert type(adapter.strategy) is type(kept)
        assert adapter.strategy is not kept
        assert adapter.strategy is not learner.strategy
        records_of(learner, view)
    kept.claim(None)  # would be refused if it had been claimed


def test_a_strategy_is_attached_to_a_copy_of_the_network_by_key():
    learner = trained_for(4, "domain")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    adapters = [adapter_for(learner, EpisodeView(FOUR, adapt=Grafting())) for _ in range(2)]
    assert adapters[0].network is not learner.network
    assert learner.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    first, second = (adapter.network.state_dict() for adapter in adapters)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(adapters[0].strategy.rate, adapters[1].strategy.rate)
    records_of(learner, EpisodeView(FOUR, shots=1, queries=1, episodes=1, adapt=Grafting()))


class Noisy(Strategy):
    """Adapts by chance."""

    def steps(self, loss, params, support):
        yield {name: value + torch.randn_like(value) for name, value in params.items()}


@pytest.mark.parametrize("adapt", [lambda: tlml.strategy("scratch", steps=2), Noisy])
def test_records_do_not_depend_on_batches_or_on_what_came_before(adapt):
    def losses(tasks_per_batch: int, episodes: int) -> list[float]:
        torch.manual_seed(tasks_per_batch)
        view = EpisodeView(
            Letters(), ways=3, shots=2, queries=3, episodes=episodes, adapt=adapt(),
            tasks_per_batch=tasks_per_batch,
        )  # fmt: skip
        return [record["loss"] for record in records_of(trained_for(3, "episode"), view)]

    alone, together, fewer = losses(1, 5), losses(4, 5), losses(2, 3)
    assert len(set(alone)) == 5
    assert alone == together
    assert alone[:3] == fewer


def test_the_gradient_steps_of_each_task_are_counted():
    learner = trained_for(4, "domain")
    for steps in (0, 3):
        view = EpisodeView(
            FOUR, shots=1, queries=1, episodes=3, adapt=tlml.strategy("full", steps=steps)
        )
        assert [r["gradient_steps"] for r in records_of(learner, view)] == [steps] * 3


def test_a_test_leaves_the_learner_as_it_was():
    learner = trained_for(4, "domain").train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    records_of(learner, EpisodeView(FOUR, shots=1, queries=1, episodes=2))
    assert learner.training
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_a_test_that_fails_leaves_no_strategy_behind():
    class Failing(Strategy):
        def steps(self, loss, params, support):
            raise RuntimeError("no")
            yield params

    learner = trained_for(4, "domain")
    view = EpisodeView(FOUR, shots=1, queries=1, episodes=2)
    before = records_of(learner, view)
    with pytest.raises(RuntimeError, match=r"^no$"):
        records_of(learner, EpisodeView(FOUR, shots=1, queries=1, episodes=2, adapt=Failing()))
    after = records_of(learner, view)
    assert [one["loss"] for one in after] == [one["loss"] for one in before]


def test_pairs_leave_no_records():
    learner = tlml.learner("supervised", network="mlp")
    view = learner.view(FOUR, queries=2)
    assert isinstance(view, PairView)
    records_of(learner, view)
    assert learner.records == []

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from tiny import Letters, Lines, Tables
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, PairView, Strategy, TlmlError
from tlml.learners.adapter import Attempt, TargetAdapter, adapter_for
from tlml.views import ViewSpaces

POINTS = Box(-np.inf, np.inf, (2,), np.float32)


def fails(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")


def trained_for(size: int, labels: str) -> tlml.GradientLearner:
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(POINTS, Discrete(size), labels))
    assert isinstance(learner, tlml.GradientLearner)
    learner.network.head.bias.data += torch.arange(size)
    return learner


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


# Heads

FOUR = Tables(classes=4, train=24)


@pytest.mark.parametrize(
    ("size", "labels", "view", "new"),
    [
        (4, "domain", {"domain": FOUR}, False),
        (4, "episode", {"domain": FOUR}, True),
        (3, "domain", {"domain": FOUR}, True),
        (4, "domain", {"domain": FOUR, "ways": 2}, True),
        (4, "domain", {"domain": FOUR, "head": "new"}, True),
        (4, "pool", {"domain": FOUR, "head": "kept"}, False),
        (5, "pool", {"domain": Letters()}, True),
        (5, "episode", {"domain": Letters()}, False),
        (5, "episode", {"domain": Letters(), "ways": 3}, True),
        (3, "episode", {"domain": Letters(), "ways": 3}, False),
    ],
)
def test_a_head_is_kept_where_labels_mean_the_same(size, labels, view, new):
    learner = trained_for(size, labels)
    adapter = adapter_for(learner, EpisodeView(**view))
    assert adapter.new_head is new
    assert adapter.space == EpisodeView(**view).test_spaces.y


def test_a_kept_head_of_another_size_is_refused():
    with fails(
        "head: 'kept' does not fit: the learner was trained for Discrete(6), the tasks have "
        "Discrete(5); take head='new'"
    ):
        adapter_for(trained_for(6, "pool"), EpisodeView(Letters(), head="kept"))


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


def test_values_of_another_size_get_a_new_head():
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(Lines().x, Box(-np.inf, np.inf, (2,), np.float32)))
    assert adapter_for(learner, EpisodeView(Lines())).new_head
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(Lines().x, Box(0, 1, (1,), np.float32)))
    assert not adapter_for(learner, EpisodeView(Lines())).new_head


# Strategies


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


def test_without_one_the_learners_own_adapts():
    learner = trained_for(4, "domain")
    adapter = adapter_for(learner, EpisodeView(FOUR))
    assert adapter.strategy is learner.strategy
    assert adapter.network is learner.network


def test_a_view_may_name_the_learners_own_strategy():
    learner = trained_for(4, "domain")
    adapter = adapter_for(learner, EpisodeView(FOUR, adapt=learner.strategy))
    assert adapter.strategy is learner.strategy
    assert adapter.network is learner.network


def test_another_learners_strategy_can_not_be_the_views():
    learner, other = trained_for(4, "domain"), trained_for(4, "domain")
    with fails("strategy Full: it belongs to a learner already; make a new one for each learner"):
        adapter_for(learner, EpisodeView(FOUR, adapt=other.strategy))


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


def test_learners_without_a_network_have_none_to_adapt():
    estimator = tlml.learner("estimator", strategy=Nearby())
    adapter = adapter_for(estimator, EpisodeView(Letters(), adapt=Nearby()))
    assert adapter.module is None
    assert not adapter.new_head


class Nearby(Strategy):
    """Says what the nearest example of the support says."""

    def estimate(self, support: Any, x: torch.Tensor, space: Any) -> torch.Tensor:
        nearest = torch.cdist(x, support.x).argmin(1)
        return nn.functional.one_hot(support.y[nearest], int(support.y.max()) + 1).float()


# Keys


def test_a_fresh_start_is_a_function_of_the_task_only():
    learner = trained_for(4, "domain")
    view = EpisodeView(FOUR, adapt=tlml.strategy("scratch", steps=0))
    adapter = adapter_for(learner, view)

    def fresh(*key: int) -> dict[str, torch.Tensor]:
        return learner.problem(adapter.turned_to(key)).start()

    first, second, again = fresh(0, 0, 2, 0), fresh(0, 0, 2, 1), fresh(0, 0, 2, 0)
    for name, value in first.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, second[name])
        assert not torch.equal(value, learner.network.get_parameter(name))


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


def test_another_task_begins_at_zero_steps():
    begun = TargetAdapter(Strategy(), None, Discrete(2), attempt=Attempt(calls=7))
    other = begun.turned_to((1, 2, 3))
    assert (other.attempt.calls, other.attempt.key) == (0, (1, 2, 3))
    assert begun.attempt.calls == 7
    assert other.seed != begun.seed


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


def test_a_view_s_strategy_of_the_learner_s_kind_has_what_was_learned():
    learner = tlml.learner(
        "meta_sgd", network="mlp", strategy=tlml.strategy("meta_sgd", lr=0.1, steps=1)
    )
    learner.view(Lines(), shots=2, queries=2)
    with torch.no_grad():
        for rate in learner.strategy.rates.values():
            rate.fill_(0.25)

    def adapt(name, **options):
        view = EpisodeView(Lines(), shots=2, queries=2, adapt=tlml.strategy(name, **options))
        return adapter_for(learner, view).strategy

    again = adapt("meta_sgd", lr=0.5, steps=3)
    assert again.max_steps == 3
    assert all(bool((rate == 0.25).all()) for rate in again.rates.values())
    assert adapt("sgd", lr=0.5).lr == 0.5


def test_what_was_learned_for_other_steps_is_refused():
    learner = tlml.learner(
        "maml_pp", network="mlp", strategy=tlml.strategy("per_step_sgd", steps=2)
    )
    learner.view(Lines(), shots=2, queries=2)
    view = EpisodeView(Lines(), shots=2, queries=2, adapt=tlml.strategy("per_step_sgd", steps=3))
    with pytest.raises(tlml.TlmlError, match=r"adapt: what PerStepSgd learned as .* has the shape"):
        adapter_for(learner, view)


def test_fine_tuning_a_convnet_takes_the_steps_of_adam():
    """Convolutions are laid out channels last in a test, their parameters are not."""
    from tlml.networks import conv4

    net = conv4((3, 12, 12), 3, channels=4, blocks=2)
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    learner = tlml.learner("supervised", network=net, batchnorm="batch")
    adapt = tlml.strategy("full", lr=0.01, steps=3)
    problem = learner.problem(TargetAdapter(adapt, net, Discrete(3)))
    support = tlml.Batch(torch.randn(6, 3, 12, 12), torch.arange(3).repeat(2))
    found = problem.adapted(support)
    assert all(torch.equal(p, start[name]) for name, p in net.named_parameters())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=False)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.train()(support.x), support.y).backward()
        optimizer.step()
    for name, p in net.named_parameters():
        torch.testing.assert_close(found[name], p.detach(), rtol=1e-3, atol=1e-3)

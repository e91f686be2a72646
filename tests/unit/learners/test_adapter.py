from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from carried import FOUR, trained_for
from gymnasium.spaces import Box, Discrete
from refusals import fails
from tiny import Letters, Lines
from torch import nn

import tlml
from tlml import EpisodeView, Strategy
from tlml.learners.adapter import Attempt, TargetAdapter, adapter_for
from tlml.views import ViewSpaces


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


def test_values_of_another_size_get_a_new_head():
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(Lines().x, Box(-np.inf, np.inf, (2,), np.float32)))
    assert adapter_for(learner, EpisodeView(Lines())).new_head
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(Lines().x, Box(0, 1, (1,), np.float32)))
    assert not adapter_for(learner, EpisodeView(Lines())).new_head


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


def test_another_task_begins_at_zero_steps():
    begun = TargetAdapter(Strategy(), None, Discrete(2), attempt=Attempt(calls=7))
    other = begun.turned_to((1, 2, 3))
    assert (other.attempt.calls, other.attempt.key) == (0, (1, 2, 3))
    assert begun.attempt.calls == 7
    assert other.seed != begun.seed


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

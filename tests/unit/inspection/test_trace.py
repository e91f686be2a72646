"""One adaptation, followed step by step."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from diagnosed import RATE, STEPS, maml, small
from tiny import Lines, Tables
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml import Batch, EpisodeView, GradientLearner, Learner, Strategy, TlmlError


class Estimating(Learner):
    """A learner without a network."""

    view_type = EpisodeView

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 1)


class Rated(Strategy):
    """Steps with rates of all the shapes that rates may have."""

    @property
    def rates(self) -> Mapping[str, Tensor]:
        return {
            "body.0.weight": torch.tensor([[0.1, -0.2]]),  # one for each entry
            "body.0.bias": torch.tensor([0.4, 0.5, 0.6]),  # one for each step
            "head.weight": torch.tensor(0.3),
        }


class Counting(GradientLearner):
    """Counts how often its loss is asked for."""

    asked = 0

    def loss(self, params: Any, batch: Any) -> Tensor:
        self.asked += 1
        return super().loss(params, batch)


def test_curve_and_layers_equal_a_loop_written_by_hand() -> None:
    network = small().double()
    learner = maml(network)
    view = learner.view(Tables(train=20), shots=6, queries=9)
    found = tlml.diagnose(learner, view, 2)
    hand, (support, query) = copy.deepcopy(network).eval(), view.dataset("target")[1]
    optimizer = torch.optim.SGD(hand.parameters(), lr=RATE)
    rows, bodies, heads = [], [], []
    for _ in range(STEPS + 1):
        hand.zero_grad()
        losses = [F.mse_loss(hand(b.x.double()), b.y.double()) for b in (support, query)]
        losses[0].backward()
        rows.append([*(loss.item() for loss in losses), vector(hand, slopes=True).norm().item()])
        bodies.append(hand.body(query.x.double()).detach())
        heads.append(vector(hand.head))
        optimizer.step()
    rows[-1][-1] = float("nan")  # no step follows the last one
    own = found.curve[found.curve["episode"] == 1]
    columns = ["support_loss", "query_loss", "gradient_norm"]
    np.testing.assert_allclose(own[columns].to_numpy(), rows, rtol=1e-9)
    layers = tlml.diagnose(learner, _only(view, 1), 1).layers.set_index("layer")
    assert layers.loc["body", "cka"] == pytest.approx(tlml.linear_cka(bodies[0], bodies[-1]))
    assert layers.loc["body", "cka"] < 1 - 1e-4
    change = float((heads[-1] - heads[0]).norm() / heads[0].norm())
    assert layers.loc["head", "relative_change"] == pytest.approx(change, rel=1e-9)


def vector(module: nn.Module, *, slopes: bool = False) -> Tensor:
    """Return all parameters, or their gradients, one after the other."""
    parts = [p.grad if slopes else p.detach() for p in module.parameters()]
    return torch.cat([part.flatten().clone() for part in parts])


def _only(view: EpisodeView, index: int) -> EpisodeView:
    """Return a view whose first episode is that of another number."""
    made = copy.copy(view)
    made.dataset = lambda split: [view.dataset(split)[index]]  # type: ignore[method-assign]
    return made


def test_learned_rates_are_spread_over_the_layer_that_they_are_of() -> None:
    learner = maml(small(), strategy=Rated(steps=1))
    layers = tlml.diagnose(learner, EpisodeView(Tables(), shots=4, queries=4), 2).layers
    rates = layers.set_index("layer")[["rate_mean", "rate_min", "rate_max"]]
    assert rates.loc["body"].tolist() == pytest.approx([0.28, -0.2, 0.6])
    assert rates.loc["head"].tolist() == pytest.approx([0.3, 0.3, 0.3])
    plain = tlml.diagnose(maml(small()), EpisodeView(Tables(), shots=4, queries=4), 2).layers
    assert plain["rate_mean"].isna().all()


def test_a_step_asks_for_one_loss_and_the_learner_stays_as_it_was() -> None:
    learner = Counting(small(), tlml.strategy("sgd", lr=RATE, steps=STEPS)).train()
    learner.built().head.eval()  # type: ignore[union-attr]
    state = copy.deepcopy(learner.state_dict())
    random = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]
    modes = [module.training for module in learner.modules()]
    first = tlml.diagnose(learner, EpisodeView(Tables(), shots=4, queries=4), 5)
    assert learner.asked == 5 * STEPS
    assert [module.training for module in learner.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in learner.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.parameters())
    assert torch.equal(torch.get_rng_state(), random[0])
    assert np.random.get_state()[1].tolist() == random[1]  # type: ignore[index]
    second = tlml.diagnose(learner, EpisodeView(Tables(), shots=4, queries=4), 5)
    assert first.curve.equals(second.curve)
    assert first.layers.equals(second.layers)


def test_without_steps_there_is_the_start_alone() -> None:
    found = tlml.diagnose(
        maml(small(), strategy=Strategy(steps=0)), EpisodeView(Tables(), shots=4, queries=6), 2
    )
    assert found.curve["step"].tolist() == [0, 0]
    assert found.layers["cka"].tolist() == pytest.approx([1.0, 1.0])
    assert found.layers["relative_change"].tolist() == [0.0, 0.0]


def test_a_learner_without_inner_steps_is_refused() -> None:
    with pytest.raises(TlmlError, match=r"Estimating adapts by no inner steps; take a"):
        tlml.diagnose(Estimating(), EpisodeView(Lines()))  # type: ignore[arg-type]

"""Criteria of learners that were trained."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tables
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import TlmlError
from tlml.selection import CRITERIA, risk
from tlml.selection.criteria import evidence


def trained(domain: Any, epochs: int = 3, **options: Any) -> tuple[Any, Any]:
    learner = tlml.learner("supervised", **{"network": "mlp", "lr": 0.05} | options)
    view = learner.view(domain, batch_size=8, unlabelled=True, queries=2)
    quiet_trainer(max_epochs=epochs, num_sanity_val_steps=0).fit(learner, view)
    return learner, view


@pytest.mark.parametrize("name", CRITERIA)
def test_each_is_a_finite_number(name: str) -> None:
    learner, view = trained(Tables(classes=3, train=12))
    before = {key: value.clone() for key, value in learner.state_dict().items()}

    def train(domain: Any) -> Any:
        return trained(domain, epochs=1)[0]

    assert np.isfinite(risk(name, learner, view, train))
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())


def test_reverse_trains_on_predictions_and_asks_for_the_source() -> None:
    learner, view = trained(Tables(classes=3, train=12))
    met = []

    def train(domain: Any) -> Any:
        met.append(domain)
        return learner

    value = risk("reverse", learner, view, train)
    (task,) = met[0].tasks("source")
    x = view.unlabelled_examples()
    assert torch.equal(task.split("train").x, x)
    assert torch.equal(task.split("train").y, learner.predict_now(x).argmax(1))
    # The same learner stands for the one trained back: its source risk is what comes out.
    assert value == pytest.approx(risk("source_risk", learner, view))


def test_the_source_is_judged_by_its_own_statistics() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    learner, view = trained(Tables(classes=3, train=12), network=net, separate_batchnorm=True)
    judged, network = evidence(learner, view), learner.network.eval()
    with learner.source_statistics.of(network), torch.no_grad():
        expected = network(judged.source.x)
    torch.testing.assert_close(judged.seen_source.scores, expected)
    with torch.no_grad():
        torch.testing.assert_close(judged.seen_target.scores, network(judged.target_x))
        assert not torch.allclose(expected, network(judged.source.x), atol=1e-3)


def test_values_have_no_class_probabilities() -> None:
    learner, view = trained(Tables(train=12), epochs=1)
    for name in ("entropy", "neighbourhood_density"):
        message = (
            f"criterion: {name} looks at class probabilities, and the targets are values; take "
            "source_risk, weighted_source_risk or reverse"
        )
        with pytest.raises(TlmlError, match=f"^{re.escape(message)}$"):
            risk(name, learner, view)
    assert risk("source_risk", learner, view) > 0


def test_an_unknown_criterion_lists_the_near_ones() -> None:
    learner, view = trained(Tables(classes=3, train=12), epochs=1)
    with pytest.raises(TlmlError, match=r"criterion.*'entropi'.*entropy"):
        risk("entropi", learner, view)

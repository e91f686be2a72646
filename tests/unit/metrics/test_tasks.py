"""Metrics of one task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from measures import CLASSES, VALUES, message
from tiny import Tables

import tlml
from tlml.metrics import (
    measure_predictions,
    primary,
    task_metrics,
)


class Ranked(Tables):
    """Tables whose classes are ranked: the place of the right one counts, the first best."""

    metric = tlml.Metric("rank", higher_is_better=False)

    def measure(self, batch, scores):
        above = (scores > scores.gather(1, batch.y[:, None])).sum(1)
        return {"first": (above == 0).float().mean(), "rank": above.float().mean()}


def test_a_domain_may_be_measured_by_a_metric_of_its_own():
    domain = Ranked(classes=3)
    assert primary(CLASSES, domain) == ("rank", False)
    assert primary(CLASSES, Tables(classes=3)) == ("accuracy", True)
    batch = tlml.Batch(torch.zeros(2, 2), torch.tensor([0, 1]))
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]])
    found = measure_predictions(domain, CLASSES, batch, scores)
    assert list(found) == ["rank", "first"]  # the primary one comes first
    assert [value.item() for value in found.values()] == [1.0, 0.5]
    for other in (None, Tables(classes=3)):
        assert measure_predictions(other, CLASSES, batch, scores).keys() == {"accuracy"}


def test_a_metric_without_its_measure_is_an_error():
    domain, batch = Tables(classes=3), tlml.Batch(torch.zeros(1, 2), torch.zeros(1).long())
    domain.metric = tlml.Metric("rank", higher_is_better=False)
    assert message(measure_predictions, domain, CLASSES, batch, torch.zeros(1, 3)) == (
        "Tables has a metric and no measure(): write it"
    )
    domain.measure = lambda batch, scores: {}
    assert message(measure_predictions, domain, CLASSES, batch, torch.zeros(1, 3)) == (
        "Tables: measure() gives nothing, and not 'rank', which its metric says"
    )


def test_task_metrics_equal_their_definitions():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 3, generator=generator)
    y = torch.randint(3, (50,), generator=generator)
    hits = sum(int(row.argmax()) == int(label) for row, label in zip(scores, y, strict=True))
    metrics = task_metrics(CLASSES, scores, y.int())
    assert {name: value.item() for name, value in metrics.items()} == {
        "accuracy": pytest.approx(hits / 50)
    }
    values = torch.randn(50, 3, dtype=torch.float64, generator=generator)
    metrics = task_metrics(Box(-1.0, 1.0, (3,)), scores.double(), values)
    assert list(metrics) == ["mse"]
    assert metrics["mse"].shape == ()
    expected = np.mean((scores.double().numpy() - values.numpy()) ** 2)
    assert metrics["mse"].item() == pytest.approx(expected)
    assert message(task_metrics, VALUES, torch.zeros(4), torch.zeros(4, 1)) == (
        "mse: needs equal shapes, scores are [4] and targets [4, 1]"
    )

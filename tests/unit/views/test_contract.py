"""What measuring a batch comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from tlml import Batch, Domain
from tlml.data import Metric
from tlml.views.contract import judge, measure_examples

CLASSES = Batch(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
VALUES = Batch(torch.zeros(2, 2), torch.tensor([[1.0], [3.0]], dtype=torch.float64))


class Ranked(Domain[Any]):
    metric = Metric("rank", higher_is_better=False)

    def measure(self, batch: Batch, scores: Tensor) -> Mapping[str, Tensor]:
        return {"rank": scores.sum()}


class Guessing:
    """A learner that always says the second class."""

    def target_space(self) -> Discrete:
        return Discrete(2)

    def loss_name(self) -> None:
        return None

    def predict_now(self, x: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0]]).repeat(len(x), 1)


def test_classes_have_a_loss_and_an_accuracy() -> None:
    scores = torch.tensor([[2.0, 0], [2, 0], [0, 2], [2, 0]])
    found = judge(scores, CLASSES, None, Discrete(2), None)
    assert float(found["accuracy"]) == 0.75
    expected = torch.nn.functional.cross_entropy(scores, CLASSES.y)
    torch.testing.assert_close(found["loss"], expected)


def test_values_are_compared_in_the_type_of_the_scores() -> None:
    found = judge(torch.zeros(2, 1), VALUES, None, Box(-9, 9, (1,)), None)
    assert float(found["loss"]) == float(found["mse"]) == 5.0
    assert found["loss"].dtype == torch.float32


def test_a_named_loss_and_a_domains_metric_take_their_place() -> None:
    found = judge(torch.zeros(2, 1), VALUES, None, Box(-9, 9, (1,)), "l1")
    assert float(found["loss"]) == 2.0
    found = judge(torch.ones(2, 1), VALUES, Ranked(), Box(-9, 9, (1,)), None)
    assert float(found["rank"]) == 2.0


def test_examples_are_measured_by_what_the_learner_says_now() -> None:
    learner: Any = Guessing()
    found = measure_examples(learner, CLASSES, None)
    assert (float(found.values["accuracy"]), found.size, found.records) == (0.5, 4, ())
    given = torch.nn.functional.one_hot(CLASSES.y, 2).float()
    assert float(measure_examples(learner, CLASSES, None, given).values["accuracy"]) == 1.0

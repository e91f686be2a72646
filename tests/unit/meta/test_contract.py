"""What outer gradients read of a learner."""

from __future__ import annotations

import torch
from meta_gradients import learner_of, perceptron

from tlml.meta.contract import trained_parameters, unscale


def test_what_is_frozen_is_not_trained() -> None:
    learner = learner_of(perceptron())
    assert set(trained_parameters(learner)) == {name for name, _ in learner.named_parameters()}
    first = next(learner.built().parameters())
    first.requires_grad_(False)
    assert "network.0.weight" not in trained_parameters(learner)


def test_a_scale_is_taken_out_again() -> None:
    slopes = {"w": torch.tensor([8.0])}
    assert unscale(slopes, 4.0)["w"].tolist() == [2.0]
    assert unscale(slopes, 1) is slopes

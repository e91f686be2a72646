"""The picture of two tasks' gradients shows what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tables
from torch import nn
from torch.nn.utils import parameters_to_vector

import tlml
from benchmarks.directions import Moment, arrows, chosen, losses, plane_of
from tlml import Batch, Step
from tlml_continual.base.watch import gradient_on


def moment(step: int, angle: float) -> Moment:
    old = torch.tensor([2.0, 0.0, 0.0])
    new = torch.tensor([np.cos(angle), np.sin(angle), 0.0]) * 5
    return Moment(step, torch.zeros(3), old, new.float())


def test_arrows_keep_the_angle_between_both_descents() -> None:
    for angle in (0.3, 1.2, 2.5):
        found = arrows(moment(0, angle))
        assert found["old"] == pytest.approx((1.0, 0.0), abs=1e-6)
        assert np.dot(found["old"], found["new"]) == pytest.approx(np.cos(angle), abs=1e-6)
        assert np.hypot(*found["both"]) == pytest.approx(1.0)
    across, up = plane_of(moment(0, 2.0))
    assert float(across @ up) == pytest.approx(0.0, abs=1e-6)


def test_moments_are_of_the_second_task_from_interference_to_alignment() -> None:
    angles = [3.1, 0.1, 2.5, 1.5, 0.6]
    moments = [moment(step, angle) for step, angle in enumerate(angles)]
    assert [found.step for found in chosen(moments, from_step=2)] == [2, 3, 4]


def test_losses_around_the_weights_fall_along_the_descent() -> None:
    learner: Any = tlml.learner("naive", network=nn.Linear(2, 1))
    learner.view(Tables())
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    tasks = [
        Step(Batch(x, (x @ torch.tensor(slope))[:, None]), torch.zeros(20).long())
        for slope in ([1.0, 0.0], [0.0, 1.0])
    ]
    weights = parameters_to_vector(learner.network.parameters()).detach().clone()
    old, new = (gradient_on(learner, task) for task in tasks)
    here = Moment(0, weights, old, new)
    with torch.no_grad():
        right = float(learner.loss_of(learner.scores_of(x), tasks[0].batch.y, tasks[0].task))
    found = losses(learner, here, tasks[0], np.array([-0.01, 0.0, 0.01]))
    assert found[1, 1] == pytest.approx(right, rel=1e-6)
    assert found[1, 0] > found[1, 1] > found[1, 2]  # the first axis is the old task's descent

"""Learners whose heads can be told apart."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from tiny import Tables

import tlml
from tlml.views import ViewSpaces

POINTS = Box(-np.inf, np.inf, (2,), np.float32)


def trained_for(size: int, labels: str) -> tlml.GradientLearner:
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [4]})
    learner.meet(ViewSpaces(POINTS, Discrete(size), labels))
    assert isinstance(learner, tlml.GradientLearner)
    learner.network.head.bias.data += torch.arange(size)
    return learner


FOUR = Tables(classes=4, train=24)

"""Tasks under vmap."""

from __future__ import annotations

import torch
from meta_gradients import learner_of, perceptron, waves
from refusals import stops
from torch import Tensor, nn

from tlml.meta.paths import path_for


def test_a_layer_that_changes_buffers_in_place_is_explained_under_vmap():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(6).double())

        def forward(self, x: Tensor) -> Tensor:
            self.total += x.detach().sum(0)
            return x

    learner = learner_of(perceptron(Counting()), vectorize="vmap")
    with stops(
        "vectorize: a layer of the network, or the strategy, can't run for several tasks at "
        "once; take vectorize='loop', or write it without changing tensors in place and "
        "without reading values out of them (torch says: "
    ):
        learner.meta_loss(waves())
    assert path_for(learner_of(perceptron(Counting()))).name == "loop"

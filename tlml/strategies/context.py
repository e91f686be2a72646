"""What the loss terms of a strategy see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tlml.data.tasks import Params


@dataclass(frozen=True, slots=True)
class Context:
    """What a loss term sees: one forward pass of each side, made by the learner.

    Inputs are ``[n, ...]``, features ``[n, d]``, logits ``[n, outputs]``; `progress` is the share
    of training done, in [0, 1]. The source's labels are ``[n]`` (classes) or ``[n, d]`` (values);
    there are none where there is no source. Terms that act in adaptation also see `params`, what is
    adapted by name, and ``features_at(tensors)``: the target's features with other parameters and
    buffers in the network, by name, without gradient.
    """

    source: Tensor
    target: Tensor
    features_source: Tensor
    features_target: Tensor
    logits_source: Tensor
    logits_target: Tensor
    progress: float
    network: nn.Module
    labels_source: Tensor = field(default_factory=lambda: torch.zeros(0))
    params: Params = field(default_factory=dict)
    features_at: Callable[[Params], Tensor] | None = None

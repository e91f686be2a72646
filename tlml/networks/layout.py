"""The memory layout of images and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tlml.data.tasks import Params

if TYPE_CHECKING:
    from tlml.learners.gradient_learner import GradientLearner

_SMALL_IMAGE = 32  # sides up to which a CPU differentiates channels-last convolutions twice faster


def laid_out(learner: GradientLearner, params: Params, x: Tensor) -> tuple[Params, Tensor]:
    """Lay images ``[n, C, H, W]`` and the weights of convolutions out as they are fastest.

    On a CPU that is channels last; where convolutions of large images are differentiated twice
    it is slower on some CPUs, and the layout stays. It is no matter of what else the machine does,
    so that a run can be repeated to the last digit.
    """
    if x.dim() != 4 or not _channels_last(learner, x):
        return params, x
    layout = torch.channels_last
    weights = {n: p.to(memory_format=layout) for n, p in params.items() if p.dim() == 4}
    return {**params, **weights}, x.to(memory_format=layout)


def _channels_last(learner: GradientLearner, x: Tensor) -> bool:
    if learner.carry is None and learner.execution.path != "loop":
        return False  # x may be one task of several under vmap
    if learner.channels_last is not None:
        return learner.channels_last
    once = learner.first_order or learner.carry is not None
    return x.device.type == "cpu" and (once or x.shape[-1] <= _SMALL_IMAGE)

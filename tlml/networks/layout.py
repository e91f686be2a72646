"""The memory layout of images and weights."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.data.tasks import Params

_SMALL_IMAGE = 32  # sides up to which a CPU differentiates channels-last convolutions twice faster


def lay_out(
    params: Params, x: Tensor, *, channels_last: bool | None, once: bool
) -> tuple[Params, Tensor]:
    """Lay images ``[n, C, H, W]`` and the weights of convolutions out as they are fastest.

    On a CPU that is channels last; where convolutions of large images are differentiated twice
    it is slower on some CPUs, and the layout stays. It does not depend on what else the machine
    does, so that a run can be repeated to the last digit.

    Args:
        params: By name.
        x: Inputs; all but images stay as they are.
        channels_last: The layout to take; the faster where None.
        once: Whether convolutions are differentiated once only.
    """
    if x.dim() != 4 or not _channels_last(x, channels_last, once):
        return params, x
    layout = torch.channels_last
    weights = {n: p.to(memory_format=layout) for n, p in params.items() if p.dim() == 4}
    return {**params, **weights}, x.to(memory_format=layout)


def _channels_last(x: Tensor, asked: bool | None, once: bool) -> bool:
    if asked is not None:
        return asked
    return x.device.type == "cpu" and (once or x.shape[-1] <= _SMALL_IMAGE)

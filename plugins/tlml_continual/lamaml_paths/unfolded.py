"""Convolutions of single images as products of matrices.

On a CPU the gradient of a convolution's gradient costs a third less so, for one image: what is laid
out anew for a fast convolution does not pay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class UnfoldedConvolutions(TorchFunctionMode):
    """Inside the block, plain two-dimensional convolutions of one image are unfolded."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, or what is quicker."""
        given = kwargs or {}
        if func is torch.conv2d:
            found = _convolved(*args, **given)
            if found is not None:
                return found
        return func(*args, **given)


def _convolved(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """Return a convolution of one image; None where it is another one."""
    plain = input.dim() == 4 and len(input) == 1 and groups == 1 and not isinstance(padding, str)
    if not plain or input.device.type != "cpu" or input.dtype != weight.dtype:
        return None
    kernel, steps, pads, gaps = (
        tuple(weight.shape[2:]), *(_pair(each) for each in (stride, padding, dilation))
    )  # fmt: skip
    patches = F.unfold(input, kernel, gaps, pads, steps)[0]
    scores = weight.flatten(1) @ patches
    if bias is not None:
        scores = scores + bias[:, None]
    sides = [
        (input.shape[2 + i] + 2 * pads[i] - gaps[i] * (kernel[i] - 1) - 1) // steps[i] + 1
        for i in range(2)
    ]
    return scores.view(1, len(weight), *sides)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first

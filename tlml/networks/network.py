"""The shape that every network of tlml has: blocks in order, then a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tlml.errors import TlmlError


class Network(nn.Module):
    """Blocks in order, generic first and specific last, then a head.

    Args:
        blocks: Modules by name, applied in this order.
        head: Maps features ``[n, feature_size]`` to scores ``[n, outputs]``.
        output_shape: Shape of one target where it is not of rank 1; scores are reshaped to it.
        init: Draws the parameters of the whole network, in place; where None, they stay as each
            module drew its own.
    """

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        head: nn.Module,
        *,
        output_shape: tuple[int, ...] | None = None,
        init: Callable[[nn.Module], None] | None = None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict(blocks)
        self.head = head
        self.output_shape = output_shape
        self.init = init
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters as `init` says, after those modules drew their own."""
        if self.init is not None:
            self.init(self)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``[n, ...]`` through all blocks to flat features ``[n, feature_size]``.

        Inputs other than floats (bytes, integers) are cast to the parameters' type.
        """
        if not x.is_floating_point():
            x = x.to(next(self.parameters()).dtype)
        for block in self.blocks.values():
            x = block(x)
        return flat(x)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs ``[n, ...]`` to scores ``[n, outputs]``, or ``[n, *output_shape]``."""
        scores: Tensor = self.head(self.features(x))
        if self.output_shape is None:
            return scores
        return scores.reshape(len(scores), *self.output_shape)

    @property
    def feature_size(self) -> int:
        """The number of features that the head is given."""
        for module in self.head.modules():
            size = getattr(module, "in_features", None)
            if isinstance(size, int):
                return size
        raise TlmlError(
            f"feature_size: no module of the head {type(self.head).__name__} has in_features; "
            "make its first layer an nn.Linear"
        )


class Flat(nn.Module):
    """Flattens all but the first dimension: ``[n, ...]`` to ``[n, size]``."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, ...]`` to ``[n, size]``."""
        return flat(x)


def flat(x: Tensor) -> Tensor:
    """Flatten ``[n, ...]`` to ``[n, size]``; ``[n]`` becomes ``[n, 1]``."""
    return x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)


def size_option(name: str, value: Any) -> int:
    """Return an option that counts units, or raise where it is not a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TlmlError(f"{name}: must be a whole number of at least 1, is {value!r}")
    return value


def sizes_option(name: str, value: Any) -> tuple[int, ...]:
    """Return an option that is a list of `size_option`."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TlmlError(f"{name}: must be a list of whole numbers, is {value!r}")
    return tuple(size_option(name, item) for item in value)


def check_rank(name: str, input_shape: tuple[int, ...], form: str, alternatives: str) -> None:
    """Raise where inputs are not of a network's form, such as ``"time, channels"``."""
    if len(input_shape) != form.count(",") + 1:
        raise TlmlError(
            f"network {name}: needs inputs [{form}], these are {list(input_shape)}; "
            f"use {alternatives}"
        )

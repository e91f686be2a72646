"""Adaptive batch normalisation (Li, Wang, Shi, Liu & Hou 2016, arXiv 1603.04779)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlml import Phase, Strategy, TlmlError
from tlml.data import Params
from tlml.errors import check_positive
from tlml.networks import call_with, evaluating, statistics

if TYPE_CHECKING:
    from collections.abc import Iterator


class AdaBn(Strategy):
    """Replace the statistics that BatchNorm stored in training by those of the target's inputs.

    Mean and variance of each layer are those of all inputs without labels together, layer by layer:
    a layer's inputs are what the layers before it give by their new statistics (algorithm 1).
    Nothing else changes. On episodes the inputs are the query's own (transductive).

    Args:
        batch_size: Inputs in a forward pass; the result does not depend on it.

    Raises:
        TlmlError: An option is out of range.
    """

    unlabelled: ClassVar[bool] = True

    def __init__(self, batch_size: int = 512) -> None:
        super().__init__(steps=0, batchnorm="stored")
        check_positive(batch_size=batch_size)
        self.batch_size = batch_size

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which nothing learns."""
        return (Phase(1.0, ()),)

    @torch.no_grad()
    def begin(self, network: nn.Module, params: Params, x: Tensor) -> Mapping[str, Tensor]:
        """Return the target's statistics; it takes a pass through all inputs for each layer.

        Raises:
            TlmlError: No layer has stored statistics.
        """
        found: dict[str, Tensor] = {}
        chunks = torch.split(x, self.batch_size)
        with evaluating(network), statistics(network, "stored"):
            for path in _in_order(network, params, chunks[0]):
                with _moments(network.get_submodule(path)) as seen:
                    for chunk in chunks:
                        call_with(network, {**params, **found}, chunk)
                moments = {"running_mean": seen.mean, "running_var": seen.variance}
                for key, value in moments.items():
                    found[f"{path}.{key}"] = value.to(network.get_buffer(f"{path}.{key}").dtype)
        return found


class _Moments:
    """Mean and variance of each channel, pooled over batches ``[n, channels, ...]``."""

    count = 0
    mean: Tensor
    squares: Tensor  # the summed squared deviations from the mean

    def add(self, x: Tensor) -> None:
        exact = torch.promote_types(x.dtype, torch.float32)  # 16 bits hold no sum of squares
        rows = x.to(exact).transpose(0, 1).flatten(1)  # [channels, values]
        count, mean = rows.shape[1], rows.mean(1)
        squares = (rows - mean[:, None]).square().sum(1)
        if not self.count:
            self.count, self.mean, self.squares = count, mean, squares
            return
        total, apart = self.count + count, mean - self.mean  # Chan, Golub & LeVeque 1983
        self.squares = self.squares + squares + apart.square() * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count


@contextmanager
def _moments(norm: nn.Module) -> Iterator[_Moments]:
    """Pool what a layer is given inside the block."""
    seen = _Moments()
    hook = norm.register_forward_pre_hook(lambda _, given: seen.add(given[0]))
    try:
        yield seen
    finally:
        hook.remove()


def _in_order(network: nn.Module, params: Params, x: Tensor) -> list[str]:
    """Return the paths of the BatchNorms that store statistics, in the order of their calls."""
    called: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given, path=path: called.append(path))
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    try:
        call_with(network, params, x)
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        raise TlmlError(
            f"batchnorm: {type(network).__name__} has no BatchNorm with stored statistics, so "
            "there is nothing to replace"
        )
    return list(dict.fromkeys(called))

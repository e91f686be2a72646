"""LoRA: low-rank adaptation (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tlml import Group, Phase, Strategy, TlmlError
from tlml.errors import check_positive, did_you_mean
from tlml.networks import NamedBuffers, head_name, head_patterns

_DEFAULT = 4  # the rank where none is said
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class LowRank(nn.Module):
    """The change of a weight: W₀ + (α/r) B A (equation 3), with W₀ seen as ``[outputs, the rest]``.

    B is 0 at first, so that the weight is W₀.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        down = torch.empty(rank, weight[0].numel(), dtype=weight.dtype)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight.device))  # A
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))  # B

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight, of the same shape."""
        return weight + self.scale * (self.up @ self.down).view_as(weight)


class Lora(Strategy):
    """Keep the weights and learn a change of low rank for linear layers and convolutions.

    The head, which may be new, is not changed in this way: it learns as it is, or not at all.
    BatchNorm keeps its statistics.

    Args:
        rank: r, of the change of a weight seen as a matrix ``[outputs, inputs / groups · kernel]``;
            None: 4, or as many as the smaller side of a layer has where those are fewer.
        alpha: α, by which the change is scaled: α / r.
        patterns: Which layers, as patterns of their paths, such as ``blocks.*``.
        head: Whether the head learns.
        lr: Learning rate of the adaptation.
        **options: The others of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range, or fits no layer.
    """

    needs_head: ClassVar[bool] = True

    def __init__(
        self,
        rank: int | None = None,
        alpha: float = 4.0,
        patterns: Sequence[str] = ("*",),
        head: bool = True,
        lr: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        check_positive(rank=rank, alpha=alpha)
        self.rank, self.alpha, self.head = rank, alpha, head
        self.patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        self._head, self._paths = tuple[str, ...](), list[str]()
        self._merged = NamedBuffers()  # A and B of what is merged, by path

    def attach(self, network: nn.Module) -> None:
        """Add the changes to the layers; the network gives what it gave.

        Raises:
            TlmlError: No layer matches, one has fewer dimensions than the rank, or is changed in
                such a way already.
        """
        layers = _layers(network, network.get_submodule(head_name(network)))
        self._paths = _match(list(layers), self.patterns, type(network).__name__)
        for path in self._paths:
            _check_layer(path, layers[path], self.rank)
        for path in self._paths:
            change = self._change_of(layers[path])
            parametrize.register_parametrization(layers[path], "weight", change)
        self._head = head_patterns(network) if self.head else ()

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which the changes learn, and the head if it shall."""
        groups = [Group(f"{path}.parametrizations.weight.0.*") for path in self._paths]
        return (Phase(1.0, (*groups, *(Group(pattern) for pattern in self._head))),)

    def merge(self, network: nn.Module) -> None:
        """Add the changes to the weights, so that the network is as it was before, and as fast.

        Its layers and its state dict have their own names again; `unmerge` undoes this.

        Raises:
            TlmlError: It is merged already, or this strategy was not attached to such a network.
        """
        for path in self._changed(network, merged=False):
            layer = network.get_submodule(path)
            change = _change(layer)
            self._merged[f"{path}.down"], self._merged[f"{path}.up"] = change.down, change.up
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)

    def unmerge(self, network: nn.Module) -> None:
        """Take the changes out of the weights again, and let them learn on.

        Raises:
            TlmlError: It is not merged.
        """
        for path in self._changed(network, merged=True):
            layer = cast(nn.Linear, network.get_submodule(path))
            change = self._change_of(layer)
            with torch.no_grad():
                change.down.copy_(self._merged.pop(f"{path}.down"))
                change.up.copy_(self._merged.pop(f"{path}.up"))
                layer.weight.sub_(change(torch.zeros_like(layer.weight)))
            parametrize.register_parametrization(layer, "weight", change)

    def _change_of(self, layer: nn.Linear) -> LowRank:
        rank = min(_DEFAULT, *_sides(layer)) if self.rank is None else self.rank
        return LowRank(layer.weight, rank, self.alpha)

    def _changed(self, network: nn.Module, *, merged: bool) -> list[str]:
        there = dict(network.named_modules())
        if not self._paths or not set(self._paths) <= there.keys():
            raise TlmlError(f"lora: it is not attached to this {type(network).__name__}")
        if any(parametrize.is_parametrized(there[path]) is merged for path in self._paths):
            raise TlmlError(f"lora: the network is {'not' if merged else 'already'} merged")
        return self._paths


def _change(layer: nn.Module) -> LowRank:
    found: LowRank = layer.parametrizations.weight[0]  # type: ignore[union-attr,index,assignment]
    return found


def _layers(network: nn.Module, head: nn.Module) -> dict[str, nn.Linear]:
    """Return the layers that can be changed, by path: those beside the head."""
    beside = [item for item in network.named_modules() if item[1] not in set(head.modules())]
    return {path: cast(nn.Linear, module) for path, module in beside if isinstance(module, _LAYERS)}


def _match(paths: list[str], patterns: Sequence[str], network: str) -> list[str]:
    if not paths:
        raise TlmlError(
            f"lora: {network} has no linear layer or convolution beside its head; take full"
        )
    for pattern in patterns:
        if not fnmatch.filter(paths, pattern):
            raise TlmlError(
                f"patterns: '{pattern}' matches no linear layer or convolution"
                f"{did_you_mean(pattern, paths)}"
            )
    return [path for path in paths if any(fnmatch.fnmatchcase(path, each) for each in patterns)]


def _sides(layer: nn.Linear) -> tuple[int, int]:
    return len(layer.weight), layer.weight[0].numel()


def _check_layer(path: str, layer: nn.Linear, rank: int | None) -> None:
    if parametrize.is_parametrized(layer):
        raise TlmlError(
            f"lora: '{path}' is parametrized already; merge that first (strategy.merge(network))"
        )
    sides = _sides(layer)
    if rank is not None and rank > min(sides):
        raise TlmlError(
            f"lora: rank={rank} is more than the weight of '{path}' has, which is {list(sides)}; "
            f"take at most {min(sides)}, or patterns that leave it out"
        )

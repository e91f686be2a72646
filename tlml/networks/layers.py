"""The layers of a network: what they give, and which parameters are theirs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tlml.networks.network import Network


class Layer(NamedTuple):
    """A part of a network that is looked at as a whole.

    Args:
        name: What it is called in tables.
        path: Where it is in the network; empty for the network itself.
    """

    name: str
    path: str

    def of(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return those of some tensors by parameter name that belong to this layer."""
        prefix = f"{self.path}." if self.path else ""
        return {name: value for name, value in values.items() if name.startswith(prefix)}


def layers_of(network: nn.Module) -> list[Layer]:
    """Return the blocks of a `Network` in order and its head, or the children with parameters.

    A module without such children is one layer, named by its class.
    """
    if isinstance(network, Network):
        return [*(Layer(name, f"blocks.{name}") for name in network.blocks), Layer("head", "head")]
    children = [
        Layer(name, name)
        for name, child in network.named_children()
        if any(True for _ in child.parameters())
    ]
    return children or [Layer(type(network).__name__, "")]


@contextmanager
def layer_outputs(network: nn.Module, layers: Iterable[Layer]) -> Iterator[dict[str, Tensor]]:
    """Collect by name what layers give inside the block; of several passes the last one's.

    Where a layer gives a tuple, as recurrent ones do, its first tensor is taken.
    """
    seen: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            found = _tensor(output)
            if found is not None:
                seen[name] = found.detach()

        return keep

    with ExitStack() as hooks:
        for layer in layers:
            module = network.get_submodule(layer.path)
            hooks.enter_context(module.register_forward_hook(hook(layer.name)))
        yield seen


def relative_change(
    layer: Layer, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> float:
    """Return ‖θ′ − θ‖ / ‖θ‖ over the parameters of a layer; NaN where it has none but zeros."""
    first, last = layer.of(before), layer.of(after)
    size = norm(first.values())
    if not size > 0:
        return float("nan")
    return norm(last[name] - value for name, value in first.items()) / size


def norm(tensors: Iterable[Tensor]) -> float:
    """Return the Euclidean norm of all tensors together, computed in float64; 0 of none."""
    return math.sqrt(sum(float(_exact(each).square().sum()) for each in tensors))


def spread_of(layer: Layer, values: Mapping[str, Tensor]) -> tuple[float, float, float]:
    """Return mean, least and greatest of a layer's values by parameter name; NaN of none."""
    own = [_exact(value).reshape(-1) for value in layer.of(values).values()]
    if not own:
        return float("nan"), float("nan"), float("nan")
    joined = torch.cat(own)
    return float(joined.mean()), float(joined.min()), float(joined.max())


def _exact(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()  # not every accelerator has float64


def _tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    parts = output if isinstance(output, tuple | list) else ()
    return next((part for part in parts if isinstance(part, Tensor)), None)

"""Which networks are perceptrons: linear layers with one activation between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from tlml.networks import Flat, Network

_ACTIVATIONS: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.Tanh: "tanh"}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Perceptron(NamedTuple):
    """The names of a perceptron's parameters, first layer first.

    Args:
        weights: Names of the matrices.
        biases: Names of the biases.
        activation: ``relu`` or ``tanh``, after all layers but the last.
        flattens: Whether inputs of any shape are flattened first.
    """

    weights: tuple[str, ...]
    biases: tuple[str, ...]
    activation: str
    flattens: bool


def perceptron_of(network: nn.Module) -> Perceptron | None:
    """Return a network's layers where it is a perceptron; None where it may be something else."""
    parts = list(_parts(network, ""))
    if None in parts:
        return None
    known = [part for part in parts if part is not None]
    kept = [(name, part) for name, part in known if not _passes(part)]
    linear, between = kept[::2], {type(part) for _, part in kept[1::2]}
    if len(kept) % 2 == 0 or len(between) != 1 or not between <= _ACTIVATIONS.keys():
        return None
    if not all(_is_whole(part) for _, part in linear) or _shares(network, len(linear)):
        return None
    names = [name for name, _ in linear]
    return Perceptron(
        tuple(f"{name}.weight" for name in names),
        tuple(f"{name}.bias" for name in names),
        _ACTIVATIONS[between.pop()],
        type(known[0][1]) in (Flat, nn.Flatten),
    )


def _parts(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module] | None]:
    """Yield what an input goes through, in order; None where that can't be told."""
    if any(getattr(module, hooks) for hooks in _HOOKS):
        yield None
    elif type(module) in (nn.Sequential, nn.ModuleDict):
        for name, child in module.named_children():
            yield from _parts(child, f"{path}{name}.")
    elif type(module) is Network and module.output_shape is None:
        yield from _parts(module.blocks, f"{path}blocks.")
        yield from _parts(module.head, f"{path}head.")
    elif type(module) is nn.Linear or type(module) in _ACTIVATIONS or _passes(module):
        yield path.removesuffix("."), module
    else:
        yield None


def _passes(module: nn.Module) -> bool:
    """Say whether a module does nothing to rows of numbers."""
    if type(module) is nn.Flatten:
        return (module.start_dim, module.end_dim) == (1, -1)
    return type(module) in (Flat, nn.Identity)


def _is_whole(module: nn.Module) -> bool:
    """Say whether a layer is linear, with a bias, and learns as a whole."""
    return (
        type(module) is nn.Linear
        and module.bias is not None
        and module.weight.requires_grad
        and module.bias.requires_grad
    )


def _shares(network: nn.Module, layers: int) -> bool:
    """Say whether layers share parameters, or stand in the network twice."""
    return len({id(parameter) for parameter in network.parameters()}) != 2 * layers

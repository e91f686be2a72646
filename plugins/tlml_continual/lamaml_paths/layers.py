"""Which networks are perceptrons: linear layers with one activation between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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
    if not all(type(part) is nn.Linear and _is_whole(part) for _, part in linear):
        return None
    if _shares(network, len(linear)):
        return None
    names = [name for name, _ in linear]
    return Perceptron(
        tuple(f"{name}.weight" for name in names),
        tuple(f"{name}.bias" for name in names),
        _ACTIVATIONS[between.pop()],
        type(known[0][1]) in (Flat, nn.Flatten),
    )


class Link(NamedTuple):
    """A layer of a chain.

    Args:
        weight: Name of its weights.
        bias: Name of its biases.
        patches: A convolution's kernel, dilation, padding and stride; None where it is linear.
        activation: ``relu`` or ``tanh``; empty after the last layer.
    """

    weight: str
    bias: str
    patches: tuple[Any, ...] | None
    activation: str


def chain_of(network: nn.Module) -> tuple[Link, ...] | None:
    """Return a network's layers where it is convolutions and then linear layers, else None."""
    parts = [part for part in _parts(network, "") if part is None or not _is_nothing(part[1])]
    known = [part for part in parts if part is not None]
    kinds = [type(part) for _, part in known]
    flat = [i for i, (_, part) in enumerate(known) if _passes(part)]
    if len(known) < len(parts) or len(flat) != 1 or flat[0] == 0:
        return None
    if nn.Linear in kinds[: flat[0]] or nn.Conv2d in kinds[flat[0] :]:
        return None
    del known[flat[0]]
    layers, between = known[::2], [_ACTIVATIONS.get(type(part)) for _, part in known[1::2]]
    whole = len(known) % 2 == 1 and all(_is_whole(part) for _, part in layers)
    if not whole or None in between or _shares(network, len(layers)):
        return None
    return tuple(
        Link(f"{name}.weight", f"{name}.bias", _patches(part), activation or "")
        for (name, part), activation in zip(layers, [*between, ""], strict=True)
    )


def _patches(layer: Any) -> tuple[Any, ...] | None:
    if type(layer) is not nn.Conv2d:
        return None
    return layer.kernel_size, layer.dilation, layer.padding, layer.stride


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
    elif type(module) in (nn.Linear, nn.Conv2d) or type(module) in _ACTIVATIONS or _passes(module):
        yield path.removesuffix("."), module
    else:
        yield None


def _passes(module: nn.Module) -> bool:
    """Say whether a module does nothing to rows of numbers."""
    if type(module) is nn.Flatten:
        return (module.start_dim, module.end_dim) == (1, -1)
    return type(module) is Flat or _is_nothing(module)


def _is_nothing(module: nn.Module) -> bool:
    return type(module) is nn.Identity


def _is_whole(module: nn.Module) -> bool:
    """Say whether a layer is linear or a plain convolution, has a bias, and learns as a whole."""
    if type(module) is nn.Conv2d:
        plain = module.groups == 1 and module.padding_mode == "zeros"
        if not plain or isinstance(module.padding, str):
            return False
    elif type(module) is not nn.Linear:
        return False
    bias = module.bias
    return bias is not None and module.weight.requires_grad and bias.requires_grad


def _shares(network: nn.Module, layers: int) -> bool:
    """Say whether layers share parameters, or stand in the network twice."""
    return len({id(parameter) for parameter in network.parameters()}) != 2 * layers

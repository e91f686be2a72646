"""Parameters by name: where the head's are, new heads, and fresh starts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tlml.errors import TlmlError, check_positive
from tlml.networks.build import seeded_draws
from tlml.networks.network import Network

_HEADS = ("head", "fc", "classifier")


def head_name(network: nn.Module) -> str:
    """Return the prefix of the head's parameters; empty where the network is one nn.Linear.

    It is ``head`` of a `Network`, of other modules the attribute ``head``, ``fc`` or
    ``classifier`` that has parameters, else the last nn.Linear.

    Raises:
        TlmlError: There is none of these.
    """
    if isinstance(network, Network):
        return "head"
    for name in _HEADS:
        module = getattr(network, name, None)
        if isinstance(module, nn.Module) and any(True for _ in module.parameters()):
            return name
    linear: list[str] = [
        name for name, module in network.named_modules() if isinstance(module, nn.Linear)
    ]
    if not linear:
        raise TlmlError(
            f"{type(network).__name__}: no head found; name its last layer 'head', "
            "or make that an nn.Linear"
        )
    return linear[-1]


@contextmanager
def head_inputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what the head is given inside the block: the features of each forward pass."""
    seen: list[Tensor] = []
    head = network.get_submodule(head_name(network))
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


def head_parameters(network: nn.Module) -> tuple[str, ...]:
    """Return the full names of the head's parameters."""
    prefix = _prefix(head_name(network))
    return tuple(name for name, _ in network.named_parameters() if name.startswith(prefix))


def frozen_parameters(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that a user froze: those that require no gradient.

    What stands in a parameter's place during a functional call is none, and not frozen.
    """
    return frozenset(
        name
        for name, parameter in network.named_parameters()
        if isinstance(parameter, nn.Parameter) and not parameter.requires_grad
    )


def head_for(
    network: nn.Module,
    outputs: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> dict[str, Tensor]:
    """Return zero parameters, by full name, that give the head another number of outputs.

    ``weight [outputs, in]`` and, where it has one, ``bias [outputs]`` of the nn.Linear that the
    head ends in, to be passed to `call_with`. Type and device are the head's
    where None.

    Raises:
        TlmlError: The head does not end in an nn.Linear.
    """
    check_positive(outputs=outputs)
    prefix, linear = _last_linear(network)
    shapes: dict[str, tuple[int, ...]] = {"weight": (outputs, linear.in_features)}
    if linear.bias is not None:
        shapes["bias"] = (outputs,)
    zeros = linear.weight.new_zeros
    return {prefix + k: zeros(shape, dtype=dtype, device=device) for k, shape in shapes.items()}


def fresh_parameters(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """Return newly initialised parameters by name, a function of `seed`; the network stays.

    They have the types and devices of the network's, and the same values on every device.

    Raises:
        TlmlError: A module that owns parameters has no ``reset_parameters``.
    """
    fresh = copy.deepcopy(network).cpu()
    with seeded_draws(seed), torch.no_grad():
        for name, module in _children_first(fresh):
            reset = _reset_of(name, module)
            if reset is not None:
                reset()
    devices = {name: parameter.device for name, parameter in network.named_parameters()}
    return {name: p.detach().to(devices[name]) for name, p in fresh.named_parameters()}


def _reset_of(name: str, module: nn.Module) -> Callable[[], None] | None:
    for method in ("reset_parameters", "_reset_parameters"):
        reset: Callable[[], None] | None = getattr(module, method, None)
        if callable(reset):
            return reset
    if any(True for _ in module.parameters(recurse=False)):
        raise TlmlError(
            f"module '{name}' ({type(module).__name__}) owns parameters and has no "
            "reset_parameters(); write one, which initialises them anew"
        )
    return None


def _children_first(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    # A module may initialise its children in a manner of its own: it comes after them.
    modules = list(network.named_modules())
    return iter(sorted(modules, key=lambda item: -item[0].count(".") if item[0] else 1))


def _last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    name = head_name(network)
    owners = [
        (inner, module)
        for inner, module in network.get_submodule(name).named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    inner, last = owners[-1] if owners else ("", network.get_submodule(name))
    if not isinstance(last, nn.Linear):
        raise TlmlError(
            f"{type(network).__name__}: the head '{name}' ends in {type(last).__name__}; "
            "new outputs need an nn.Linear there"
        )
    return _prefix(name) + _prefix(inner), last


def _prefix(name: str) -> str:
    return f"{name}." if name else ""

"""Parameters by name: fresh starts, and what a user froze."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from tlml.errors import TlmlError
from tlml.networks.build import seeded_draws


def frozen_parameters(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that a user froze: those that require no gradient.

    What stands in a parameter's place during a functional call is none, and not frozen.
    """
    return frozenset(
        name
        for name, parameter in network.named_parameters()
        if isinstance(parameter, nn.Parameter) and not parameter.requires_grad
    )


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

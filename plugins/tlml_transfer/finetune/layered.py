"""Strategies that treat the layers of a network by their depth, generic first and specific last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

from torch import nn

from tlml import Group, Strategy, TlmlError
from tlml.networks import head_name, head_parameters, layers_of


class LayeredStrategy(Strategy):
    """Knows the layers of the network that it is attached to.

    They are the blocks of a `tlml.Network` and its head, or the children of another module that
    have parameters; the head is the last. Parameters outside of them count to the first.
    """

    needs_head: ClassVar[bool] = True

    def attach(self, network: nn.Module) -> None:
        """Find the layers.

        Raises:
            TlmlError: There is one only, or the head has no parameters of its own.
        """
        names = _layer_names(network)
        if len(names) < 2:
            raise TlmlError(
                f"{type(self).__name__}: {type(network).__name__} has one layer only "
                f"({next(iter(names), 'without parameters')}); name the module whose children "
                "are the layers, as in tlml.Adapt(..., network='model')"
            )
        self.layers = tuple(names)
        self._patterns = tuple(_patterns(network, path, own) for path, own in names.items())

    def groups(self, depth: int, lr: float = 1.0) -> tuple[Group, ...]:
        """Return the parameters of a layer as groups; 0 is the most generic one."""
        return tuple(Group(pattern, lr) for pattern in self._patterns[depth])

    def from_depth(self, depth: int) -> Sequence[Group]:
        """Return the groups of a layer and of all that are more specific."""
        if depth == 0:
            return (Group("*"),)
        return tuple(chain(*(self.groups(each) for each in range(depth, len(self.layers)))))


def _layer_names(network: nn.Module) -> dict[str, list[str]]:
    """Return the names of each layer's parameters by its path; the head's are the last."""
    named, head = dict(network.named_parameters()), head_name(network)
    own = set(head_parameters(network))
    found = {layer.path: list(layer.of(named)) for layer in layers_of(network)}
    last = next((path for path in found if f"{head}.".startswith(f"{path}.")), head)
    own |= set(found.pop(last, ()))
    rest = {path: [n for n in names if n not in own] for path, names in found.items()}
    return {path: names for path, names in rest.items() if names} | {last: sorted(own)}


def _patterns(network: nn.Module, path: str, own: Sequence[str]) -> tuple[str, ...]:
    """Return patterns of some parameters: that of their layer's path, where it tells them."""
    under = {name for name, _ in network.named_parameters() if name.startswith(f"{path}.")}
    return (f"{path}.*",) if under == set(own) else tuple(own)

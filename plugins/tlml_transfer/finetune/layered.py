"""Strategies that treat the layers of a network by their depth, generic first and specific last."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from tlml import Group, Strategy, TlmlError
from tlml.networks import head_name, layers_of


class LayeredStrategy(Strategy):
    """Knows the layers of the network that it is attached to.

    They are the blocks of a `tlml.Network` and its head, or the children of another module that
    have parameters; the head is the last. Parameters outside of them count to the first.
    """

    def attach(self, network: nn.Module) -> None:
        """Find the layers.

        Raises:
            TlmlError: There is one only.
        """
        named = dict(network.named_parameters())
        head = head_name(network)
        paths = [layer.path for layer in layers_of(network) if layer.of(named)]
        paths.sort(key=lambda path: path == head)  # stable: the others stay as they are
        if len(paths) < 2:
            raise TlmlError(
                f"{type(self).__name__}: {type(network).__name__} has one layer only "
                f"({paths[0] if paths else 'without parameters'}); name the module whose children "
                "are the layers, as in tlml.Adapt(..., network='model')"
            )
        self.layers = tuple(paths)

    def group(self, depth: int, lr: float = 1.0) -> Group:
        """Return the parameters of a layer as a group; 0 is the most generic one."""
        return Group(f"{self.layers[depth]}.*", lr)

    def from_depth(self, depth: int) -> Sequence[Group]:
        """Return the groups of a layer and of all that are more specific."""
        if depth == 0:
            return (Group("*"),)
        return tuple(self.group(each) for each in range(depth, len(self.layers)))

"""Networks as they were before, which values are learned towards."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tlml.networks import call_with

_DOT = "/"  # names of buffers may hold no dot


class Target(nn.Module):
    """The tensors of a network as they were at some time, as buffers, so that nothing trains them.

    Args:
        network: Of which they are copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, value in network.state_dict().items():
            self.register_buffer(name.replace(".", _DOT), value.detach().clone())

    def tensors(self) -> dict[str, Tensor]:
        """Return them by their names in the network."""
        return {name.replace(_DOT, "."): kept for name, kept in self.named_buffers()}

    @torch.no_grad()
    def call(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return what the network gave then."""
        found: Tensor = call_with(network, self.tensors(), x)
        return found

    @torch.no_grad()
    def follow(self, network: nn.Module, share: float = 1.0) -> None:
        """Go a share of the way to what the network is now; 1 copies."""
        now = network.state_dict()
        for name, kept in self.tensors().items():
            if share == 1 or not kept.is_floating_point():
                kept.copy_(now[name])
            else:
                kept.lerp_(now[name], share)

"""Gradient steps of all but the head: BOIL's inner loop (Oh et al. 2021, arXiv 2008.08882)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from tlml import Group, Phase, TlmlError
from tlml.networks import head_name, head_parameters
from tlml_maml.sgd import Sgd


class BodySgd(Sgd):
    """θ_body′ = θ_body − α ∇L(θ); the head stays as it is, the features have to change.

    The head is `head` of a network of tlml's, else the attribute ``head``, ``fc`` or
    ``classifier``, else the last nn.Linear.

    Raises:
        TlmlError: An option is out of range, or the network has no head, or nothing else.
    """

    needs_head: ClassVar[bool] = True
    _head: tuple[str, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Find out which parameters are the head's."""
        self._head = head_parameters(network)
        if not self.names(tuple(name for name, _ in network.named_parameters())):
            raise TlmlError(
                f"BodySgd: {type(network).__name__} has no parameters beside its head "
                f"'{head_name(network)}'; take a deeper network, or sgd"
            )
        super().attach(network)

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return all parameters but the head's."""
        return tuple(name for name in known if name not in self._head)

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which all but the head learns."""
        return (Phase(1.0, tuple(Group(name) for name in self.names(tuple(names)))),)

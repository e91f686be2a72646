"""Gradient steps of the head only: ANIL's inner loop (Raghu et al. 2020, arXiv 1909.09157)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from tlml import Group, Phase
from tlml.networks import head_parameters
from tlml_maml.sgd import Sgd


class HeadSgd(Sgd):
    """θ_head′ = θ_head − α ∇L(θ); the body stays as it is, its features are reused.

    The head is `head` of a network of tlml's, else the attribute ``head``, ``fc`` or
    ``classifier``, else the last nn.Linear.

    Raises:
        TlmlError: An option is out of range, or the network has no head.
    """

    needs_head: ClassVar[bool] = True
    _head: tuple[str, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Find out which parameters are the head's."""
        self._head = head_parameters(network)
        super().attach(network)

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the head's parameters."""
        return tuple(name for name in known if name in self._head)

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which the head learns."""
        return (Phase(1.0, tuple(Group(name) for name in self.names(tuple(names)))),)

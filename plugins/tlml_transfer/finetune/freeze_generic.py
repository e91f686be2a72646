"""Keep generic layers, change specific ones (Yosinski, Clune, Bengio & Lipson 2014, 1411.1792)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tlml import Phase, TlmlError
from tlml.errors import check_not_negative
from tlml_transfer.finetune.layered import LayeredStrategy


class FreezeGeneric(LayeredStrategy):
    """Freeze the first layers of a network, which are generic, and fine-tune those after them.

    Args:
        frozen: How many layers are frozen, n in the paper, from 0; the head is the last and learns.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range, or the network has not more layers than are frozen.
    """

    def __init__(self, frozen: int = 1, **options: Any) -> None:
        super().__init__(**options)
        check_not_negative(frozen=frozen)
        self.frozen = frozen

    def attach(self, network: nn.Module) -> None:
        """Find the layers."""
        super().attach(network)
        if self.frozen >= len(self.layers):
            raise TlmlError(
                f"frozen: {self.frozen} of {len(self.layers)} layers leaves nothing to learn; they "
                f"are {', '.join(self.layers)}"
            )

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which the specific layers learn."""
        return (Phase(1.0, self.from_depth(self.frozen)),)

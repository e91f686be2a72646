"""Discriminative learning rates: the more generic, the slower (Howard & Ruder 2018, 1801.06146)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from tlml import Group, Phase
from tlml.errors import check_positive
from tlml_transfer.finetune.layered import LayeredStrategy


class DiscriminativeLr(LayeredStrategy):
    """Fine-tune every layer, each at the rate of the next more specific one over `factor`.

    Section 3.2: η^(l−1) = η^l / 2.6, where the head's rate η^L is `lr`.

    Args:
        factor: By what a rate is divided from one layer to the more generic one before it.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range, or the network has one layer only.
    """

    def __init__(self, factor: float = 2.6, **options: Any) -> None:
        super().__init__(**options)
        check_positive(factor=factor)
        self.factor = factor

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, with a rate for each layer."""
        top = len(self.layers) - 1
        rates = [self.factor ** (depth - top) for depth in range(top + 1)]
        specific = [self.groups(depth, rates[depth]) for depth in range(1, top + 1)]
        return (Phase(1.0, (*chain(*specific), Group("*", rates[0]))),)

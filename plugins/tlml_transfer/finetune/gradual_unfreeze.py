"""Gradual unfreezing, from the head downwards (Howard & Ruder 2018, arXiv 1801.06146)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tlml import Phase
from tlml.errors import check_share
from tlml_transfer.finetune.layered import LayeredStrategy


class GradualUnfreeze(LayeredStrategy):
    """Fine-tune the head first, and with it one more layer at a time, the most specific first.

    The paper (section 3.3) unfreezes a layer after each epoch; here all layers get equal parts of
    the first `unfrozen` of the steps, and the rest trains everything.

    Args:
        unfrozen: Share of the steps after which every layer learns, above 0 and below 1.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range, or the network has one layer only.
    """

    def __init__(self, unfrozen: float = 0.75, **options: Any) -> None:
        super().__init__(**options)
        check_share(unfrozen=unfrozen)
        self.unfrozen = unfrozen

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase for each layer, from the head to the first."""
        frozen = len(self.layers) - 1  # how many layers the first phase freezes
        stages = range(1, frozen + 1)
        ends = [self.unfrozen * stage / frozen for stage in stages]
        groups = [self.from_depth(frozen + 1 - stage) for stage in stages]
        return (*map(Phase, ends, groups), Phase(1.0, self.from_depth(0)))

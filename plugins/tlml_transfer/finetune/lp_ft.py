"""LP-FT: first the head, then everything (Kumar, Raghunathan, Jones, Ma & Liang 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from tlml import Group, Phase, Strategy
from tlml.errors import check_positive, check_share
from tlml.networks import head_patterns


class LpFt(Strategy):
    """Train the head on kept features, then fine-tune every parameter from there.

    With a head that fits already, fine-tuning distorts the features less (arXiv 2202.10054, section
    3), so that what was learned on the source is kept where the target says nothing.

    Args:
        probe: Share of the steps that train the head alone, above 0 and below 1.
        tuning_lr: Learning rate of the fine-tuning as a multiple of `lr`, which is the head's.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range.
    """

    needs_head: ClassVar[bool] = True

    def __init__(self, probe: float = 0.5, tuning_lr: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        check_share(probe=probe)
        check_positive(tuning_lr=tuning_lr)
        self.probe, self.tuning_lr = probe, tuning_lr
        self._head: tuple[Group, ...] = (Group(),)

    def attach(self, network: nn.Module) -> None:
        """Find out which parameters are the head's."""
        self._head = tuple(Group(pattern) for pattern in head_patterns(network))

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """Two phases: the head, then everything."""
        return (Phase(self.probe, self._head), Phase(1.0, (Group("*", self.tuning_lr),)))

"""Full fine-tuning: every layer changes (Yosinski et al. 2014, arXiv 1411.1792)."""

from __future__ import annotations

from collections.abc import Sequence

from tlml import Group, Phase, Strategy


class Full(Strategy):
    """Fine-tune every parameter on the target's support, from the source's parameters."""

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which everything learns."""
        return (Phase(1.0, (Group("*"),)),)

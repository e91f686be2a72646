"""Value iteration (Sutton & Barto 2018, section 4.4)."""

from __future__ import annotations

from typing import Any

from tlml_rl.tables.known_model import KnownModel, Worth
from tlml_rl.tables.planning import Planning


class ValueIteration(Planning):
    """Sweep over all states of a known world until the optimality equation holds.

    In each sweep, of all states at once (Sutton & Barto, equation 4.10):

        Q(s, a) ← Σ_s' p(s', r | s, a) (r + γ max_a' Q(s', a'))

    Args:
        gamma: What the value of what follows is discounted by, γ; 1 where every episode ends.
        tolerance: A fit ends with the sweep that changes no value by more.
        **options: Those of a learner.

    Raises:
        TlmlError: An option is out of range, or the world does not tell its transitions.
    """

    def __init__(self, gamma: float = 0.99, tolerance: float = 1e-9, **options: Any) -> None:
        super().__init__(gamma=gamma, tolerance=tolerance, **options)

    def sweep(self, model: KnownModel, table: Worth) -> Worth:
        """Return what actions are worth where the best of the table follow."""
        return model.back_up(table.max(1), self.gamma)

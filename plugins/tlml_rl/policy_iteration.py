"""Policy iteration (Howard 1960; Sutton & Barto 2018, section 4.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve

from tlml.errors import OptionError
from tlml_rl.tables.known_model import KnownModel, Worth
from tlml_rl.tables.planning import Planning


class PolicyIteration(Planning):
    """Evaluate the best policy of the table exactly, and take what is best by that.

    A sweep solves the linear equations of the policy π (Sutton & Barto, equation 4.4), and looks
    one step ahead (4.6):

        v = r_π + γ P_π v,    Q(s, a) = Σ_s' p(s', r | s, a) (r + γ v(s'))

    It begins with the first action everywhere, and ends after few sweeps.

    Args:
        gamma: What the value of what follows is discounted by, γ, below 1.
        tolerance: A fit ends with the sweep that changes no value by more.
        **options: Those of a learner.

    Raises:
        TlmlError: An option is out of range, or the world does not tell its transitions.
    """

    def __init__(self, gamma: float = 0.99, tolerance: float = 1e-9, **options: Any) -> None:
        if not gamma < 1:
            raise OptionError(
                f"gamma: must be below 1, is {gamma}: what a policy that never ends is worth "
                "has no bound; value_iteration takes 1"
            )
        super().__init__(gamma=gamma, tolerance=tolerance, **options)

    def sweep(self, model: KnownModel, table: Worth) -> Worth:
        """Return what actions are worth where the table's policy follows."""
        return model.back_up(self.evaluate(model, table.argmax(1)), self.gamma)

    def evaluate(self, model: KnownModel, policy: np.ndarray[Any, Any]) -> Worth:
        """Return the value of each state under a policy ``[states]``."""
        states, actions = model.rewards.shape
        rows = np.arange(states) * actions + policy
        goes_on = model.goes_on[rows]
        found: Worth = spsolve(
            (eye_array(states) - self.gamma * goes_on).tocsc(), model.rewards.flat[rows]
        )
        return found

"""Acting by a table, and now and then by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.errors import OptionError, check_positive
from tlml_rl.tables.values import Values


class Exploring(Values):
    """An agent that takes the best action it knows, and any with probability ε.

    ε falls along a line from `epsilon` to `epsilon_end`, over the first `epsilon_share` of all
    steps, and stays there. Of equally good actions one is drawn. It is named before `OnPolicy` or
    `OffPolicy`.

    Args:
        lr: How far a value goes towards its target, α.
        epsilon: The probability of an action by chance in the beginning.
        epsilon_end: What it falls to.
        epsilon_share: The share of the steps over which it falls.
        initial: The value of all actions in the beginning: a high one lets all be tried.
        **options: Those of the learner.

    Raises:
        TlmlError: An option is out of range.

    Attributes:
        now: ε at the last step.
        spare: How many numbers are drawn for each step beside those that choose an action.
        drawn: Those of the last step ``[N, spare]``, from 0 to below 1.
    """

    now: float = 1.0
    spare: int = 0
    drawn: NDArray[np.float64]

    def __init__(
        self,
        *,
        lr: float,
        epsilon: float = 1.0,
        epsilon_end: float = 0.05,
        epsilon_share: float = 0.5,
        initial: float = 0.0,
        **options: Any,
    ) -> None:
        check_positive(lr=lr)
        for name, share in (
            ("epsilon", epsilon), ("epsilon_end", epsilon_end), ("epsilon_share", epsilon_share)
        ):  # fmt: skip
            if not 0 <= share <= 1:
                raise OptionError(f"{name}: must be from 0 to 1, is {share}")
        self.lr, self.initial = lr, initial
        self.epsilon, self.epsilon_end, self.epsilon_share = epsilon, epsilon_end, epsilon_share
        super().__init__(**options)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Act, and learn from what comes of it."""
        super().training_step(batch, batch_idx)
        self.count_batch()

    def chance(self, steps: NDArray[Any]) -> NDArray[np.float64]:
        """Return ε after so many steps in environments."""
        length = self.epsilon_share * self.max_env_steps
        gone = np.minimum(steps / length, 1.0) if length else np.ones(np.shape(steps))
        return self.epsilon + (self.epsilon_end - self.epsilon) * gone

    def explorer(self, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Return how to act for so many steps by the table as it will be then."""
        actions = self.q.shape[1]
        noise = self.noise(steps, lambda rng, n: rng.random((n, 1 + actions + self.spare)))
        taken = int(self.env_steps) + len(self.environments) * np.arange(steps)
        coming = zip(noise, self.chance(taken), strict=True)
        table = self.q.numpy()

        def act(states: NDArray[Any]) -> NDArray[Any]:
            self.look()
            numbers, self.now = next(coming)
            self.drawn = numbers[:, 1 + actions :]
            return _soft(table[states], numbers[:, 0] < self.now, numbers[:, 1 : 1 + actions])

        return act


def _soft(
    values: NDArray[Any], by_chance: NDArray[np.bool_], numbers: NDArray[Any]
) -> NDArray[Any]:
    """Return one of the best actions of each row, or one of all, as the numbers are drawn."""
    possible = values > -np.inf
    open_to = (values == values.max(1, keepdims=True)) | (by_chance[:, None] & possible)
    chosen: NDArray[Any] = np.where(open_to, numbers, -1.0).argmax(1)
    return chosen

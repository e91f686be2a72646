"""The loss of an actor and a critic by hand: its slopes by what the network gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlml_rl.base.objective import Objective, Rows, Terms
from tlml_rl.base.policies import Policy
from tlml_rl.base.slopes import Array, ruled_out, slopes_of


class Given(NamedTuple):
    """The `Rows` of a loss as arrays, inputs as rows of numbers ``[n, size]``."""

    inputs: Array
    actions: Array
    log_probs: Array
    advantages: Array
    returns: Array
    values: Array
    weights: Array
    masks: Array | None = None


class LossByHand:
    """Looks at what a network gave, and writes what a loss's slopes by it are.

    Args:
        policy: What the actor's outputs mean.
        dtype: Of the network.

    Attributes:
        policy: Its slopes.
    """

    def __init__(self, policy: Policy, dtype: Any) -> None:
        self.policy, self._dtype = slopes_of(policy), dtype
        self._latest: tuple[Rows, Given] | None = None
        self._losses = 0.0, 0.0
        self._log_probs = np.empty(0, dtype)

    def given(self, rows: Rows) -> Given:
        """Return rows as arrays; those of an epoch may come again in the next one."""
        if self._latest is None or self._latest[0] is not rows:
            arrays = (None if each is None else each.numpy() for each in rows)
            given = Given(*arrays)  # type: ignore[arg-type]
            given = given._replace(inputs=as_rows(given.inputs, self._dtype))
            self._latest = rows, given
        return self._latest[1]

    def slopes(
        self, objective: Objective, gave: tuple[Array, Array], given: Given,
        log_std: Array | None, out: tuple[Array, Array | None],
    ) -> Array:  # fmt: skip
        """Write slopes by outputs and by deviations; return those by values ``[n]``.

        Args:
            objective: The loss.
            gave: The network's outputs, turned ``[size, n]``, and values ``[n]``.
            given: Where.
            log_std: The logarithms of standard deviations, where the policy has some.
            out: Where slopes go: by outputs ``[size, n]``, and by `log_std`.
        """
        outputs, values = gave
        if given.masks is not None:
            outputs = ruled_out(outputs, given.masks)
        self._log_probs = self.policy.at(outputs, given.actions, log_std)
        policy_loss, by_log_prob = _of_policy(objective, self._log_probs, given)
        value_loss, by_values = _of_values(objective, values, given)
        by_entropy = -objective.entropy * given.weights if objective.entropy else None
        self.policy.back(by_log_prob, by_entropy, *out)
        self._losses = policy_loss, value_loss
        return by_values

    def terms(self, objective: Objective, given: Given, tell: bool) -> Terms:
        """Return the parts of the loss that was looked at last.

        Args:
            objective: The loss.
            given: Where it was looked at.
            tell: Whether to tell more than the two main parts.
        """
        terms = Terms(*self._losses)
        if not tell:
            return terms
        weights, changes = given.weights, self._log_probs - given.log_probs
        ratio = np.exp(changes)
        far = np.abs(ratio - 1) > (np.inf if objective.clip is None else objective.clip)
        return terms._replace(
            entropy=float(weights @ self.policy.entropy()),
            approx_kl=float(weights @ (ratio - 1 - changes)),
            clip_fraction=float(weights @ far),
        )


def as_rows(inputs: NDArray[Any], dtype: Any) -> Array:
    """Return inputs as rows of numbers ``[n, size]``."""
    return np.ascontiguousarray(inputs.reshape(len(inputs), -1), dtype)


def _of_policy(objective: Objective, log_probs: Array, rows: Given) -> tuple[float, Array]:
    """Return the policy's loss, and its slopes by log-probabilities ``[n]``."""
    weighted = rows.weights * rows.advantages
    if objective.clip is None:
        return -float(weighted @ log_probs), -weighted
    ratio = np.exp(log_probs - rows.log_probs)
    low, high = 1 - objective.clip, 1 + objective.clip
    whole = weighted * ratio
    cut = weighted * np.minimum(np.maximum(ratio, low), high)
    # Where the clipped one is less, it is constant.
    return -float(np.minimum(whole, cut).sum()), -whole * (whole <= cut)


def _of_values(objective: Objective, values: Array, rows: Given) -> tuple[float, Array]:
    """Return the mean squared error of values, and the loss's slopes by them ``[n]``."""
    weights, returns = rows.weights, rows.returns
    errors = values - returns
    slopes = weights * errors
    if objective.value_clip is None:
        return float(slopes @ errors), 2 * objective.value_weight * slopes
    squares, old = errors**2, rows.values
    moves = values - old
    moved = np.clip(moves, -objective.value_clip, objective.value_clip)
    others = (old + moved - returns) ** 2
    # The clipped one, where it is larger, is constant; within the clip they differ by rounding.
    slopes *= (squares >= others) | (moved == moves)
    return float(weights @ np.maximum(squares, others)), 2 * objective.value_weight * slopes

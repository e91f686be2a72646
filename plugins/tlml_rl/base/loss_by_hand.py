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
        self._log_probs = self._values = np.empty(0, dtype)

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
        self._values = values
        by_log_prob = _by_log_prob(objective, self._log_probs, given)
        by_entropy = -objective.entropy * given.weights if objective.entropy else None
        self.policy.back(by_log_prob, by_entropy, *out)
        return _by_values(objective, values, given)

    def terms(self, objective: Objective, given: Given, tell: bool) -> Terms:
        """Return the parts of the loss that was looked at last.

        Args:
            objective: The loss.
            given: Where it was looked at.
            tell: Whether to tell them.
        """
        if not tell:
            return Terms()
        weights, changes = given.weights, self._log_probs - given.log_probs
        ratio = np.exp(changes)
        far = np.abs(ratio - 1) > (np.inf if objective.clip is None else objective.clip)
        return Terms(
            _policy_loss(objective, ratio, self._log_probs, given),
            float(weights @ _errors(objective, self._values, given)),
            float(weights @ self.policy.entropy()),
            float(weights @ (ratio - 1 - changes)),
            float(weights @ far),
        )


def as_rows(inputs: NDArray[Any], dtype: Any) -> Array:
    """Return inputs as rows of numbers ``[n, size]``."""
    return np.ascontiguousarray(inputs.reshape(len(inputs), -1), dtype)


def _policy_loss(objective: Objective, ratio: Array, log_probs: Array, rows: Given) -> float:
    weighted = rows.weights * rows.advantages
    if objective.clip is None:
        return -float(weighted @ log_probs)
    cut = np.clip(ratio, 1 - objective.clip, 1 + objective.clip)
    return -float(np.minimum(weighted * ratio, weighted * cut).sum())


def _by_log_prob(objective: Objective, log_probs: Array, rows: Given) -> Array:
    """Return the loss's slopes by log-probabilities ``[n]``."""
    weighted = rows.weights * rows.advantages
    if objective.clip is None:
        slopes: Array = -weighted
        return slopes
    ratio = np.exp(log_probs - rows.log_probs)
    whole = weighted * ratio
    cut = weighted * np.minimum(np.maximum(ratio, 1 - objective.clip), 1 + objective.clip)
    # Where the clipped one is less, it is constant.
    slopes = -whole * (whole <= cut)
    return slopes


def _errors(objective: Objective, values: Array, rows: Given) -> Array:
    """Return squared errors of values ``[n]``, the larger ones where they are clipped."""
    errors: Array = (values - rows.returns) ** 2
    if objective.value_clip is None:
        return errors
    moved = np.clip(values - rows.values, -objective.value_clip, objective.value_clip)
    others: Array = (rows.values + moved - rows.returns) ** 2
    return np.maximum(errors, others)


def _by_values(objective: Objective, values: Array, rows: Given) -> Array:
    """Return the loss's slopes by values ``[n]``."""
    errors = values - rows.returns
    slopes: Array = (2 * objective.value_weight) * (rows.weights * errors)
    if objective.value_clip is None:
        return slopes
    moves = values - rows.values
    moved = np.clip(moves, -objective.value_clip, objective.value_clip)
    others = (rows.values + moved - rows.returns) ** 2
    # The clipped one, where it is larger, is constant; within the clip they differ by rounding.
    slopes *= (errors**2 >= others) | (moved == moves)
    return slopes

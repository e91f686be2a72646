"""Rollouts as rows of each environment, in the order in which a memory keeps them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlml.data import Rollout

Array = NDArray[Any]

_NONE = np.zeros(0, bool)  # masks where environments tell none


class Rows(NamedTuple):
    """Steps of one environment in the order of time; of the last one, the observation counts."""

    observations: Array
    actions: Array
    rewards: Array
    terminated: Array
    valid: Array
    allowed: Array


class Steps(NamedTuple):
    """A rollout as arrays ``[T, N, ...]``."""

    observations: Array
    actions: Array
    rewards: Array
    terminated: Array
    valid: Array
    allowed: Array | None
    over: Array
    successors: Array | None

    @classmethod
    def of(cls, rollout: Rollout) -> Steps:
        """Return a rollout's memory."""
        allowed, successors = rollout.allowed, rollout.successors
        return cls(
            rollout.observations.numpy(), rollout.actions.numpy(), rollout.rewards.numpy(),
            rollout.terminated.numpy(), rollout.valid.numpy(),
            None if allowed is None else allowed.numpy(),
            (rollout.terminated | rollout.truncated).numpy(),
            None if successors is None else successors.numpy(),
        )  # fmt: skip

    def rows(self, n: int, allowed: Array | None) -> Rows:
        """Return what an environment did, with a row for the end of each episode."""
        masks = _NONE
        if self.allowed is not None:
            masks = _padded(self.allowed[:, n])
            masks[-1] = True if allowed is None else allowed
        told = (self.actions, self.rewards, self.terminated, self.valid)
        steps = [_padded(one[:, n]) for one in told]
        rows = Rows._make([self.observations[:, n], *steps, masks])
        return rows if self.successors is None else self._with_ends(rows, self.successors, n)

    def _with_ends(self, rows: Rows, successors: Array, n: int) -> Rows:
        """Put in what ended episodes, where a step also resets and tells it apart."""
        over = np.flatnonzero(self.over[:, n])
        nothing = [np.zeros_like(one[:1]) for one in rows[1:5]]
        ends = [successors[over, n], *nothing, np.ones_like(rows.allowed[:1])]
        return Rows._make(
            np.insert(one, over + 1, end, 0) if len(one) else one
            for one, end in zip(rows, ends, strict=True)
        )


def _padded(values: Array) -> Array:
    """Return values with a row of zeros behind them."""
    padded = np.zeros((len(values) + 1, *values.shape[1:]), values.dtype)
    padded[:-1] = values
    return padded

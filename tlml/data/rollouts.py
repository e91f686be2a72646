"""What agents learn from: steps in environments that run side by side, or single transitions."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Rollout(NamedTuple):
    """T steps of N environments that go on from rollout to rollout.

    Args:
        observations: What was acted on, and what was seen last: ``[T + 1, N, ...]``.
        actions: What the agent chose: ``[T, N]`` of numbered actions, else ``[T, N, ...]``.
        rewards: ``[T, N]``.
        terminated: ``[T, N]``: the task was over, nothing follows.
        truncated: ``[T, N]``: it was cut, as by a time limit; its value is still that of what was
            seen then. Both may be true at once.
        valid: ``[T, N]``: False where an environment was only reset, and the action passed over.
        successors: What followed each step ``[T, N, ...]``; None where that is
            ``observations[1:]``, as with environments that are reset by a step of its own.
        allowed: Which actions could be chosen ``[T, N, ...]``; None where environments tell none.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    successors: Tensor | None = None
    allowed: Tensor | None = None

    @property
    def next_observations(self) -> Tensor:
        """What followed each step ``[T, N, ...]``, also where an episode ended there."""
        return self.observations[1:] if self.successors is None else self.successors


class Transitions(NamedTuple):
    """Single steps, as of a memory of experience: ``[n, ...]`` each.

    Args:
        observations: What was acted on.
        actions: What the agent chose.
        rewards: ``[n]``; of several steps, their discounted sum.
        next_observations: What followed.
        terminated: ``[n]``: nothing follows. An episode that was cut goes on as far as values are
            concerned.
        discount: ``[n]``: what the value of what followed is worth, gamma to the number of steps.
        next_allowed: Which actions can be chosen after it ``[n, ...]``; None where environments
            tell none.
        weights: ``[n]``: how much each counts, as where some are drawn more often; None: all alike.
        rows: ``[n]``: where a memory keeps them.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor
    discount: Tensor
    next_allowed: Tensor | None = None
    weights: Tensor | None = None
    rows: Tensor | None = None

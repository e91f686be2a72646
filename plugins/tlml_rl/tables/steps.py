"""Single steps as plain numbers: tables are learned one value at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tlml.data import Rollout, Transitions


class Step(NamedTuple):
    """What came of an action.

    Args:
        state: Where it was taken.
        action: Which one.
        reward: What was earned.
        following: The state that it led to.
        ended: Whether nothing follows.
    """

    state: int
    action: int
    reward: float
    following: int
    ended: bool


def steps_of(transitions: Transitions) -> list[Step]:
    """Return the steps of all environments."""
    seen, actions, rewards, after, ended, *_ = transitions
    columns = (seen, actions, rewards, after, ended)
    return [Step(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def in_time(rollout: Rollout) -> Iterator[tuple[int, Step, bool]]:
    """Yield the steps of a rollout in the order of time, without those that only reset.

    Yields:
        The number of the environment in the rollout, the step, and whether the episode was cut
        after it.
    """
    seen, actions = rollout.observations[:-1].tolist(), rollout.actions.tolist()
    columns = (rollout.rewards, rollout.next_observations, rollout.terminated)
    told = zip(seen, actions, *(column.tolist() for column in columns), strict=True)
    flags = zip(rollout.valid.tolist(), rollout.truncated.tolist(), strict=True)
    for rows, (valid, cut) in zip(told, flags, strict=True):
        for n, row in enumerate(zip(*rows, strict=True)):
            if valid[n]:
                step = Step(*row)
                yield n, step, cut[n] and not step.ended

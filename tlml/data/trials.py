"""Whole episodes: what an agent adapts to a task by, rollout by rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.data.env_places import EnvPlace, Running
from tlml.data.env_stream import Vectorization, as_rollout, begun
from tlml.data.rollouts import Rollout
from tlml.errors import TlmlError

Actions = Callable[[NDArray[Any]], NDArray[Any]]


class Trials:
    """Tasks to act in, and the rollouts of one adaptation to them, in the order of its steps.

    A loss asks for `next`, which acts; after `rewind` it is given the same rollouts again, so that
    an adaptation can be repeated on what was collected, from other parameters.

    Args:
        tasks: The environments of each task.

    Attributes:
        env_steps: Steps in environments so far.
        taken: What was learned from, step by step.
    """

    def __init__(self, tasks: Sequence[Any]) -> None:
        self.tasks = tuple(tasks)
        self.env_steps = 0
        self.taken: list[Any] = []
        self._turn = 0

    def next(self, act: Callable[[int], Any]) -> Any:
        """Return what was learned from at this step; the first time, `act` with its number."""
        if self._turn == len(self.taken):
            self.taken.append(act(self._turn))
        self._turn += 1
        return self.taken[self._turn - 1]

    def rewind(self) -> None:
        """Begin with the first rollout again."""
        self._turn = 0


def whole_episodes(
    places: Sequence[EnvPlace],
    choose: Actions,
    perform: Actions,
    *,
    vectorization: Vectorization = "sync",
    episode: int = 0,
    horizon: int | None = None,
) -> Rollout:
    """Play one episode at each place, side by side, until all have ended.

    Args:
        places: Where.
        choose: Observations ``[N, ...]`` to what an agent chooses.
        perform: What it chooses, as environments take it.
        vectorization: As of `EnvStream`.
        episode: The number of the episode, by which it is seeded.
        horizon: After how many steps episodes are cut; None: where they end by themselves.

    Returns:
        T steps, of which those after an episode's end aren't valid.

    Raises:
        TlmlError: An observation or a reward is NaN or infinite.
    """
    envs = begun(places, vectorization, [Running(episode, np.zeros(0))] * len(places))
    try:
        seeds = places[0].seed_of(episode) if vectorization == "native" else None
        seen, infos = envs.reset(seed=seeds)
        _check_masks(places, infos)
        observations, acting = [np.array(seen)], np.ones(len(places), bool)
        rows: list[tuple[NDArray[Any], ...]] = []
        while acting.any() and len(rows) != horizon:
            chosen = choose(observations[-1])
            seen, rewards, over, cut, _ = envs.step(perform(chosen))
            observations.append(np.array(seen))
            earned, over, cut = np.array(rewards, np.float32), np.array(over), np.array(cut)
            rows.append((chosen, earned, over, cut, acting))
            _check_finite(places, observations[-1], earned, len(rows))
            acting = acting & ~(over | cut)
    finally:
        envs.close()
    chosen, rewards, over, cut, valid = map(np.array, zip(*rows, strict=True))
    cut[-1] |= acting
    return as_rollout(np.array(observations), chosen, rewards, over, cut, valid, None, None)


def _check_masks(places: Sequence[EnvPlace], infos: dict[str, Any]) -> None:
    if "action_mask" in infos:
        raise TlmlError(
            f"{places[0]}: it rules actions out by action_mask, which agents that adapt to each "
            "task don't heed; take one such as ppo, which does"
        )


def _check_finite(
    places: Sequence[EnvPlace], seen: NDArray[Any], rewards: NDArray[Any], step: int
) -> None:
    for name, values in (("observation", seen), ("reward", rewards)):
        if values.dtype.kind == "f" and not np.isfinite(values.sum()):
            bad = np.flatnonzero(~np.isfinite(values.reshape(len(places), -1)).all(1))
            if len(bad):
                raise TlmlError(
                    f"{places[bad[0]]}: its {name} is NaN or infinite after {step} steps of the "
                    "episode"
                )

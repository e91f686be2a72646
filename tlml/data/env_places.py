"""Environments by their place: each episode of one is a function of where it is and its number."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tlml.data.sampling import keyed_rng
from tlml.data.tasks import MDP, Split
from tlml.errors import TlmlError

_SEEDS = 2**31
_LOOKS = 8  # steps after which a world that is kept has shown itself


@dataclass(frozen=True, slots=True)
class EnvPlace:
    """One environment among all of all processes.

    Args:
        task: What it is an environment of.
        split: The task's split.
        index: The task's number in the split.
        number: The environment's, over all processes.
        seed: The key of its episodes.
        judges: Whether agents are judged in it, in episodes that none learns from.
    """

    task: MDP
    split: Split
    index: int
    number: int
    seed: int
    judges: bool = False

    def seed_of(self, episode: int) -> int:
        """Return the seed of an episode, a function of place and number."""
        key = (self.index, self.number, episode, *([1] if self.judges else []))
        return int(keyed_rng(self.seed, self.split, *key).integers(_SEEDS))

    def __str__(self) -> str:
        return f"environment {self.number} ({self.task.name})"


class Running(NamedTuple):
    """An episode within which an environment was left.

    Args:
        episode: Its number.
        actions: All that was done in it, as the environment takes them.
    """

    episode: int
    actions: NDArray[Any]


class SeededEpisodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Seeds each episode by its number, and finds the way back into one by its actions.

    An environment whose episodes are functions of seed and actions is thereby resumed exactly,
    whatever it is made of: pickling one of Box2D fails, and one of MuJoCo comes back changed.

    Args:
        place: Where it is.
        running: The episode to go on with.
        anew: Make a new environment for each episode, where an old one would remember.
    """

    def __init__(self, place: EnvPlace, running: Running | None = None, anew: bool = False) -> None:
        super().__init__(_made(place, place.seed_of(running.episode if running else 0)))
        self.place, self.anew = place, anew
        self.episode = running.episode - 1 if running else -1
        self.steps = 0
        self._replayed = None if running is None else running.actions
        self._over = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode; the first time, go to where a replayed one was left."""
        self.episode, self.steps, self._over = self.episode + 1, 0, False
        seeded = self.place.seed_of(self.episode)
        if self.anew:
            self.env.close()
            self.env = _made(self.place, seeded)
        observation, info = self.env.reset(seed=seeded, options=options)
        actions, self._replayed = self._replayed, None
        for action in () if actions is None else actions:
            observation, _, terminated, truncated, info = self.step(action)
            self._over = bool(terminated or truncated)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step; after the replay of a whole episode, begin the next one."""
        if self._over:  # as the vectorised environment would have done
            observation, info = self.reset()
            return observation, 0.0, False, False, info
        try:
            stepped = self.env.step(action)
        except Exception as error:
            raise TlmlError(
                f"{self.place}: step {self.steps} of episode {self.episode} (seed "
                f"{self.place.seed_of(self.episode)}) failed: {type(error).__name__}: {error}"
            ) from error
        self.steps += 1
        return stepped


def remembers(place: EnvPlace) -> bool:
    """Return whether an environment's episode is another one after an earlier episode in it.

    So it is where a physical world is kept over resets, as in gymnasium's BipedalWalker. False
    where new environments differ as well: then nothing helps.
    """
    used, new = SeededEpisodes(place), SeededEpisodes(place)
    try:
        first = _first_steps(used)
        if all(map(np.array_equal, first, _first_steps(used))):
            return False
        return all(map(np.array_equal, first, _first_steps(new)))
    finally:
        used.close()
        new.close()


def _first_steps(env: SeededEpisodes) -> list[Any]:
    """Return what is seen in some steps of the first episode."""
    space = copy.deepcopy(env.action_space)
    space.seed(0)
    env.episode = -1
    seen, info = env.reset()
    found = [seen]
    for _ in range(_LOOKS):
        seen, reward, terminated, truncated, info = env.step(_any_allowed(space, info))
        found += [np.array(seen), np.array(reward)]
        if terminated or truncated:
            break
    return found


def _any_allowed(space: gymnasium.Space[Any], info: dict[str, Any]) -> Any:
    """Draw an action of those that an environment allows."""
    spaces, told = gymnasium.spaces, info.get("action_mask")
    if told is None or not isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return space.sample()
    mask = np.asarray(told, np.int8)
    if isinstance(space, spaces.MultiDiscrete):
        return space.sample(tuple(np.split(mask, np.cumsum(space.nvec)[:-1])))
    return space.sample(mask)


def _made(place: EnvPlace, seed: int) -> gymnasium.Env[Any, Any]:
    """Make the environment of a place; observations of several parts are flattened to one."""
    make = place.task.make
    if not place.judges:  # where rewards may be clipped, say
        make = getattr(place.task, "make_for_training", make)
    made = make(seed)
    spaces = gymnasium.spaces
    if isinstance(made.observation_space, spaces.Dict | spaces.Tuple):
        return gymnasium.wrappers.FlattenObservation(made)
    return made

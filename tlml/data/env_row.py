"""Environments of one process, stepped one after another with as little around it as can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array
from numpy.typing import NDArray

from tlml.errors import TlmlError

Env = gymnasium.Env[Any, Any]
_MASK = "action_mask"


class EnvRow(VectorEnv[Any, Any, Any]):
    """What gymnasium's SyncVectorEnv is in its mode NEXT_STEP, in a fraction of the time beside.

    It joins no more of what environments tell beside observations than agents take: the actions
    that are allowed. Observations lie in one memory, which the next step overwrites.

    Args:
        makers: What makes each environment; their spaces are equal, and of arrays.

    Raises:
        TlmlError: Spaces differ.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  # as VectorEnv has it

    def __init__(self, makers: Sequence[Callable[[], Env]]) -> None:
        self.envs = [make() for make in makers]
        self.num_envs, first = len(self.envs), self.envs[0]
        for env in self.envs:
            _check_same(first, env)
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, self.num_envs)
        self.action_space = batch_space(first.action_space, self.num_envs)
        self._seen: Any = create_empty_array(first.observation_space, self.num_envs, fn=np.zeros)
        self._over = [False] * self.num_envs  # whose episode ended at the last step

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode in each; each has seeds of its own."""
        infos: dict[str, Any] = {}
        for n, env in enumerate(self.envs):
            self._seen[n], told = env.reset(options=options)
            self._take(infos, told, n)
        self._over = [False] * self.num_envs
        return self._seen, infos

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Take a step in each, or begin its next episode where the last one ended."""
        seen, over, infos = self._seen, self._over, dict[str, Any]()
        rewards, ends = np.zeros(self.num_envs), np.zeros((2, self.num_envs), bool)
        for n, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            if over[n]:
                seen[n], told = env.reset()
                over[n] = False
            else:
                seen[n], rewards[n], terminated, truncated, told = env.step(action)
                if terminated or truncated:
                    over[n], ends[:, n] = True, (terminated, truncated)
            if told:
                self._take(infos, told, n)
        return seen, rewards, *ends, infos

    def close_extras(self, **kwargs: Any) -> None:
        """Close them."""
        for env in self.envs:
            env.close()

    def _take(self, infos: dict[str, Any], told: dict[str, Any], n: int) -> None:
        """Keep which actions are allowed, as gymnasium joins it."""
        if _MASK not in told:
            return
        mask = np.asarray(told[_MASK])
        if _MASK not in infos:
            infos[_MASK] = np.zeros((self.num_envs, *mask.shape), mask.dtype)
            infos[f"_{_MASK}"] = np.zeros(self.num_envs, bool)
        infos[_MASK][n], infos[f"_{_MASK}"][n] = mask, True


def _check_same(one: Env, other: Env) -> None:
    for what in ("observation_space", "action_space"):
        ours, theirs = getattr(one, what), getattr(other, what)
        if ours != theirs:
            raise TlmlError(f"{what.replace('_', ' ')}s are {ours} and {theirs}")

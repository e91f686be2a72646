"""One environment of gymnasium under given physics: a task."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict, Space, flatten_space
from gymnasium.wrappers import FlattenObservation

from tlml import TlmlError
from tlml.errors import did_you_mean, shorten
from tlml_rl.worlds import finding

Env = gymnasium.Env[Any, Any]
Spaces = tuple[Space[Any], Space[Any]]
_SETTINGS = (bool, int, float, str)


@dataclass(frozen=True)
class EnvTask:
    """An environment with keywords of its constructor and values of its attributes.

    Each one is made anew, and its attributes are set before anybody acts in it: environments share
    nothing.

    Args:
        name: The id with what was changed.
        id: What gymnasium makes: an id, or a spec.
        arguments: Keywords of the constructor.
        attributes: Values of attributes of the unwrapped environment.
    """

    name: str
    id: str | EnvSpec
    arguments: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def make(self, seed: int, render_mode: str | None = None) -> Env:
        """Make an environment of its own.

        Args:
            seed: The key of its first episode and of what its action space samples.
            render_mode: What `render` gives, such as ``"rgb_array"``.
        """
        env = self.bare({} if render_mode is None else {"render_mode": render_mode})
        for name, value in self.attributes.items():
            setattr(env.unwrapped, name, value)
        _let_follow(env.unwrapped, self.attributes)
        env = self.observed(env)
        env.reset(seed=seed)
        env.action_space.seed(seed)
        return env

    def bare(self, how: Mapping[str, Any]) -> Env:
        """Make the environment without its attributes."""
        # gymnasium's checker would look at the first steps only, and adds a call to all others.
        made: Env = gymnasium.make(self.id, disable_env_checker=True, **self.arguments, **how)
        return made

    def observed(self, env: Env) -> Env:
        """Return the environment with observations that a network can read: dicts made flat.

        Raises:
            TlmlError: A part can't be made flat.
        """
        space = env.observation_space
        if not isinstance(space, Dict):
            return env
        for part, own in space.items():
            if not _is_flat(own):
                raise TlmlError(
                    f"{self.name}: its observation '{part}' is {type(own).__name__}, which can't "
                    "be made flat; register the environment with a wrapper that gives a Box (the "
                    "domain minigrid does so for MiniGrid)"
                )
        return FlattenObservation(env)


def make_task(
    kind: Callable[..., EnvTask],
    id: str | EnvSpec,
    changes: Mapping[str, Any],
    beside: Sequence[str] = (),
) -> EnvTask:
    """Return an environment with changes as a task.

    Args:
        kind: Makes the task, such as its class.
        id: A gymnasium id, or a spec.
        changes: Keywords of the constructor, or attributes of the unwrapped environment.
        beside: What else could have been meant where a name is neither.

    Raises:
        TlmlError: There is no such environment, or nothing in it has such a name.
    """
    spec = finding.find_spec(id)
    taken = finding.keywords(finding.creator(spec))
    arguments = {name: value for name, value in changes.items() if name in taken}
    attributes = {name: value for name, value in changes.items() if name not in taken}
    task = kind(title(spec.id, changes), id, arguments, attributes)
    if attributes:
        with finding.made_by_strangers(task.name):
            env = task.bare({})
            settings = {n: v for n in dir(env.unwrapped) if (v := _setting(env.unwrapped, n))}
            env.close()
        _check_attributes(spec.id, attributes, settings, taken.union(beside))
    return task


def title(id: str, changes: Mapping[str, Any]) -> str:
    """Return the name of a task: what it is, and what was changed."""
    return " ".join([id, *(f"{name}={_brief(value)}" for name, value in changes.items())])


def spaces_of(task: EnvTask) -> Spaces:
    """Return the spaces of a task's observations and actions, making it once.

    Raises:
        TlmlError: It can't be made, or its observations can't be made flat.
    """
    with finding.made_by_strangers(task.name):
        env = task.make(0)
        env.close()
    return env.observation_space, env.action_space


def _is_flat(space: Space[Any]) -> bool:
    try:
        return isinstance(flatten_space(space), Box)
    except NotImplementedError:
        return False


def _brief(value: Any) -> str:
    """Return a value in few characters; long texts, such as maps, by their checksum."""
    text = str(value)
    return f"{zlib.crc32(text.encode()):08x}" if "\n" in text or len(text) > 40 else text


def _setting(env: Env, name: str) -> tuple[Any] | None:
    """Return the value of what can be set, in a tuple."""
    value = None if name.startswith("_") else getattr(env, name, None)
    return (value,) if isinstance(value, _SETTINGS) else None


def _check_attributes(
    id: str,
    attributes: Mapping[str, Any],
    settings: Mapping[str, tuple[Any]],
    taken: frozenset[str],
) -> None:
    for name, value in attributes.items():
        if name not in settings:
            raise TlmlError(
                f"{id}: it has neither a keyword nor an attribute '{shorten(name)}'"
                f"{did_you_mean(name, {*settings, *taken})}"
            )
        (own,) = settings[name]
        number = isinstance(value, bool | int | float) and math.isfinite(value)
        if isinstance(own, str) != isinstance(value, str) or not (number or isinstance(own, str)):
            kind = "text" if isinstance(own, str) else "a number"
            raise TlmlError(f"{id}: {name} must be {kind}, such as {own}; is {shorten(value)}")


def _let_follow(env: Env, attributes: Mapping[str, Any]) -> None:
    """Let constants follow that a constructor computes from others."""
    if isinstance(env, CartPoleEnv):
        if "total_mass" not in attributes:
            env.total_mass = env.masspole + env.masscart
        if "polemass_length" not in attributes:
            env.polemass_length = env.masspole * env.length

"""Environments seen as images: how large, in which colours, and how many frames at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, ResizeObservation
from numpy.typing import NDArray

from tlml import TlmlError
from tlml.data import describe_space
from tlml.errors import check_positive
from tlml_rl.worlds import finding
from tlml_rl.worlds.environment import Env, EnvTask


@dataclass(frozen=True)
class Frames:
    """What an agent is shown of an environment.

    Args:
        number: Of the latest frames that an observation holds; None: the latest one.
        repeat: Steps for which an action is held, whose rewards are added.
        size: The side that images are brought to; None: as they come.
        grey: Whether images lose their colours.

    Raises:
        TlmlError: A number is not positive.
    """

    number: int | None = None
    repeat: int = 1
    size: int | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        check_positive(frames=self.number, repeat=self.repeat, size=self.size)

    def shown(self, env: Env, name: str) -> Env:
        """Return an environment whose observations are such: images ``[channels, height, width]``.

        Raises:
            TlmlError: It shows no images, and these are to be changed.
        """
        images = _is_image(env.observation_space)
        if not images and (self.grey or self.size is not None):
            raise TlmlError(
                f"{name}: size and grey are of images [height, width, 3] of bytes; it shows "
                f"{describe_space(env.observation_space)}"
            )
        if self.size is not None:
            finding.need("cv2", "size")
        if self.repeat > 1:
            env = Repeat(env, self.repeat)
        if images and self.grey:
            env = GrayscaleObservation(env)
        if self.size is not None:
            env = ResizeObservation(env, (self.size, self.size))
        if self.number is not None:
            env = FrameStackObservation(env, self.number)
        return ChannelsFirst(env, self.number is not None) if images else env


@dataclass(frozen=True)
class FramedTask(EnvTask):
    """An environment that is shown in frames."""

    frames: Frames = Frames()

    def observed(self, env: Env) -> Env:
        """Return the environment with what is shown of it."""
        return self.frames.shown(super().observed(env), self.name)


class Repeat(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Holds each action for some steps, or until the episode ends, and adds their rewards.

    Args:
        env: The environment.
        steps: How many.
    """

    def __init__(self, env: Env, steps: int) -> None:
        RecordConstructorArgs.__init__(self, steps=steps)
        super().__init__(env)
        self.steps = steps

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take the steps."""
        total = 0.0
        for _ in range(self.steps):
            seen, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return seen, total, terminated, truncated, info


class ChannelsFirst(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Images as networks take them, ``[channels, height, width]``; frames are channels, too.

    Args:
        env: Of images ``[height, width]`` or ``[height, width, 3]``, or of frames of them.
        frames: Whether they are of several frames ``[frames, ...]``.
    """

    def __init__(self, env: Env, frames: bool) -> None:
        RecordConstructorArgs.__init__(self, frames=frames)
        super().__init__(env)
        self.frames = frames
        space: Any = env.observation_space
        low, high = self.observation(space.low), self.observation(space.high)
        self.observation_space = Box(low, high, dtype=space.dtype)

    def observation(self, observation: NDArray[Any]) -> NDArray[Any]:
        """Return an image with its channels first."""
        frames = observation if self.frames else observation[None]
        if frames.ndim == 3:
            return frames
        found = frames.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(found.reshape(-1, *found.shape[2:]))


def _is_image(space: Space[Any]) -> bool:
    """Return whether observations are images ``[height, width, 3]`` of bytes."""
    return (
        isinstance(space, Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and space.shape[2] == 3
    )

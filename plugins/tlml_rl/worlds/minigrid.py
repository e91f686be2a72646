"""Rooms seen from within (Chevalier-Boisvert et al. 2023): doors, keys, lava."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tlml.errors import check_choice
from tlml_rl.worlds.environment import Env, EnvTask
from tlml_rl.worlds.family import World
from tlml_rl.worlds.frames import ChannelsFirst

# What a cell of the view can hold: MiniGrid's numbers of objects, colours and states.
_TILE = 8  # pixels of a cell's side, where it is drawn
_MOST = np.array([10, 5, 2], np.float32)


class Seen(gymnasium.ObservationWrapper[NDArray[np.float32], Any, Any]):
    """What the agent sees, as numbers from 0 to 1: the mission and its direction are left out."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        height, width, _ = env.observation_space["image"].shape  # type: ignore[index]
        self.observation_space = Box(0.0, 1.0, self.shape(height, width), np.float32)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of an image."""
        return 3, height, width

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """Return the image ``[3, height, width]``: objects, colours and states."""
        image: NDArray[np.float32] = observation["image"] / _MOST
        return np.ascontiguousarray(image.transpose(2, 0, 1))


class FlatSeen(Seen):
    """What the agent sees, in one row."""

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of a row."""
        return (3 * height * width,)

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """Return the row ``[3 · height · width]``."""
        return super().observation(observation).ravel()


class ImageTask(EnvTask):
    """A world of MiniGrid whose observations are images."""

    def observed(self, env: Env) -> Env:
        """Return the environment with images."""
        return Seen(env)


class ColourTask(EnvTask):
    """A world of MiniGrid whose observations are drawn."""

    def observed(self, env: Env) -> Env:
        """Return the environment with pictures of what the agent sees."""
        theirs: Any = importlib.import_module("minigrid.wrappers")
        drawn = theirs.ImgObsWrapper(theirs.RGBImgPartialObsWrapper(env, tile_size=_TILE))
        return ChannelsFirst(drawn, frames=False)


class FlatTask(EnvTask):
    """A world of MiniGrid whose observations are rows."""

    def observed(self, env: Env) -> Env:
        """Return the environment with rows."""
        return FlatSeen(env)


class Minigrid(World):
    """A world of MiniGrid, of which the agent sees 7 × 7 cells before it.

    A cell is three numbers from 0 to 1: what is there, of what colour, and whether it is open.
    Needs the package minigrid: ``pip install tlml[rl]``.

    Args:
        world: Which one, such as ``DoorKey-5x5``, ``Empty-8x8`` or ``LavaGapS5``; an id of MiniGrid
            without its first and its last part.
        observation: ``flat``: the view in one row of 147 numbers; ``image``: as ``[3, 7, 7]``;
            ``rgb``: drawn, ``[3, 56, 56]`` bytes.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes, such as ``[{"size": 6}]``; one that changes nothing
            where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: There is no such world or no such name, or minigrid is missing.
    """

    def __init__(
        self,
        world: str = "DoorKey-5x5",
        observation: str = "flat",
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        check_choice("observation", observation, tuple(_TASKS))
        self.task_type = _TASKS[observation]
        self._set(f"MiniGrid-{world}-v0", source, target, validation)


_TASKS = {"flat": FlatTask, "image": ImageTask, "rgb": ColourTask}

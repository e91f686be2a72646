"""Mazes to walk in: walls, goals, pits, slippery floors (Sutton & Barto 2018, chapter 3)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from tlml.data import SPLITS
from tlml.errors import OptionError, check_choice
from tlml_rl.worlds.drawing import draw_cells
from tlml_rl.worlds.family import World
from tlml_rl.worlds.mazes import FREE, GOAL, PIT, START, WALL, read_maze

# (probability, next cell, reward, whether the episode ends), as gymnasium's toy worlds have them.
Outcome = tuple[float, int, float, bool]


class GridWorld(gymnasium.Env[Any, Any]):
    """A maze: an observation is the number of the cell, an action is north, east, south or west.

    Who walks into a wall stays. An episode ends in a goal or a pit; each step costs. What can
    happen is known: ``P[cell][action]`` lists ``(probability, next cell, reward, ended)``.

    Args:
        map: A maze as text, or the name of one: lecture, lower, cliff, rooms.
        slip: The probability to go left or right of where one wants to, half each.
        step_reward: The reward of every step.
        goal_reward: What reaching a goal gives beside.
        pit_reward: What falling into a pit gives beside.
        render_mode: ``ansi``, a text, or ``rgb_array``, an image.

    Raises:
        TlmlError: The map can't be read, or an option is out of range.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
    }
    MOVES: ClassVar[tuple[tuple[int, int], ...]] = ((-1, 0), (0, 1), (1, 0), (0, -1))

    def __init__(
        self,
        map: str = "lecture",
        slip: float = 0.0,
        step_reward: float = -1.0,
        goal_reward: float = 0.0,
        pit_reward: float = -100.0,
        render_mode: str | None = None,
    ) -> None:
        if not 0 <= slip < 1:
            raise OptionError(f"slip: must be from 0 to below 1, is {slip}")
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.maze, self.slip, self.render_mode = read_maze(map), slip, render_mode
        self.step_reward = step_reward
        self.prizes = {GOAL: goal_reward, PIT: pit_reward}
        cells = "".join(self.maze.rows)
        self.observation_space = Discrete(len(cells))
        self.action_space = Discrete(len(self.MOVES))
        self.P: dict[int, dict[int, list[Outcome]]] = {
            cell: {a: self._outcomes(cells, cell, a) for a in range(len(self.MOVES))}
            for cell in range(len(cells))
        }
        self.starts = self.maze.where(START)
        self.place = int(self.starts[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Begin at a start, drawn where there are several."""
        super().reset(seed=seed)
        several = len(self.starts) > 1
        self.place = int(self.starts[self.np_random.integers(len(self.starts)) if several else 0])
        return self.place, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk, or slip."""
        outcomes = self.P[self.place][int(action)]
        drawn = 0
        if len(outcomes) > 1:
            chances = np.cumsum([chance for chance, *_ in outcomes])
            drawn = int(np.searchsorted(chances, self.np_random.random() * chances[-1], "right"))
        _, self.place, reward, ended = outcomes[drawn]
        return self.place, reward, ended, False, {}

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return the maze with the agent in it, as text or as an image ``[height, width, 3]``."""
        if self.render_mode == "rgb_array":
            return draw_cells(self.maze, self.place)
        return self._text() if self.render_mode == "ansi" else None

    def _text(self) -> str:
        cells = list("".join(self.maze.rows))
        cells[self.place] = "@"
        return "".join("".join(row) + "\n" for row in self.maze.in_rows(cells))

    def _outcomes(self, cells: str, cell: int, action: int) -> list[Outcome]:
        """Return what can come of an action; nothing does in walls and where episodes end."""
        if cells[cell] not in (FREE, START):
            return [(1.0, cell, 0.0, True)]
        chances = {0: 1 - self.slip, -1: self.slip / 2, 1: self.slip / 2}
        return [
            self._arrive(cells, cell, (action + turn) % len(self.MOVES), chance)
            for turn, chance in chances.items()
            if chance
        ]

    def _arrive(self, cells: str, cell: int, direction: int, chance: float) -> Outcome:
        rows, columns = self.maze.shape
        down, right = self.MOVES[direction]
        row, column = cell // columns + down, cell % columns + right
        inside = 0 <= row < rows and 0 <= column < columns
        there = row * columns + column if inside else cell
        if cells[there] == WALL:
            there = cell
        prize = self.prizes.get(cells[there])
        return chance, there, self.step_reward + (prize or 0.0), prize is not None


class Gridworld(World):
    """Mazes: an observation is the number of a cell, an action is north, east, south or west.

    Options are of all tasks, and a task may change each of them. Transitions are known, for
    learners that need a model. Mazes of one domain have one size.

    Args:
        map: A maze as text (``#`` wall, ``.`` free, ``S`` start, ``G`` goal, ``O`` pit), or one by
            its name: lecture, lower, cliff, rooms.
        slip: The probability to go left or right of where one wants to, half each.
        step_reward: The reward of every step.
        goal_reward: What reaching a goal gives beside.
        pit_reward: What falling into a pit gives beside.
        max_episode_steps: After how many steps an episode is cut.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; a slippery floor, and for the maze of the lecture
            also another way, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: A map can't be read, an option is out of range, or maps differ in size.
    """

    def __init__(
        self,
        map: str = "lecture",
        slip: float = 0.0,
        step_reward: float = -1.0,
        goal_reward: float = 0.0,
        pit_reward: float = -100.0,
        max_episode_steps: int = 200,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        if target is None:
            target = [{"slip": 0.2}, *([{"map": "lower"}] if map == "lecture" else [])]
        defaults = inspect.signature(type(self)).parameters
        changed = {
            name: value
            for name, value in self.options.items()
            if name not in SPLITS and value != defaults[name].default
        }
        self._set(_SPEC, source, target, validation, **changed)


_SPEC = EnvSpec(
    "GridWorld", entry_point="tlml_rl.worlds.gridworld:GridWorld", max_episode_steps=200
)

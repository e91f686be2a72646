"""A point that walks to a goal in the plane (Finn, Abbeel & Levine 2017, section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from tlml import Domain
from tlml.data import Split
from tlml.errors import check_choice, check_positive

Reward = Literal["distance", "squared"]
_REWARDS = ("distance", "squared")
_STRIDE = 0.1  # the furthest that a step goes along each axis
_NEAR = 0.01  # of the goal, where an episode ends


@dataclass(frozen=True, slots=True)
class Rules:
    """What all tasks have in common.

    Args:
        reward: Minus the ``distance`` to the goal, or minus it ``squared``.
        max_episode_steps: After how many steps an episode is cut.
    """

    reward: Reward = "distance"
    max_episode_steps: int = 50

    def walk(
        self, places: NDArray[Any], actions: NDArray[Any], goals: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Step points ``[n, 2]``; return where they are, rewards, and which are at their goal."""
        places = places + np.clip(actions, -_STRIDE, _STRIDE)
        away = places - goals
        squares = (away * away).sum(-1)
        distances = np.sqrt(squares)
        return places, -(squares if self.reward == "squared" else distances), distances < _NEAR


_RULES = Rules()


def _spaces() -> tuple[Box, Box]:
    """Return the spaces of a place and of a step."""
    return Box(-np.inf, np.inf, (2,), np.float32), Box(-_STRIDE, _STRIDE, (2,), np.float32)


class Point(gymnasium.Env[Any, Any]):
    """A point that starts at the origin; what it sees is where it is, and never the goal.

    Args:
        goal: Where it should go.
        rules: What a step earns.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, goal: tuple[float, float], rules: Rules = _RULES) -> None:
        self.observation_space, self.action_space = _spaces()
        self.goal, self.rules = np.array(goal), rules
        self.place = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Go to the origin."""
        super().reset(seed=seed)
        self.place = np.zeros(2)
        return self.place.astype(np.float32), {}

    def step(
        self, action: NDArray[Any]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Go along a vector, of which each part is kept within its bounds."""
        self.place, reward, near = self.rules.walk(self.place, np.asarray(action), self.goal)
        return self.place.astype(np.float32), float(reward), bool(near), False, {}


class Points(VectorEnv[Any, Any, Any]):
    """Many of them, each with a goal of its own, stepped by one piece of arithmetic.

    Args:
        goals: ``[n, 2]``.
        rules: What a step earns, and when an episode is cut.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, goals: NDArray[Any], rules: Rules = _RULES) -> None:
        self.goals, self.rules, self.num_envs = goals, rules, len(goals)
        self.single_observation_space, self.single_action_space = _spaces()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.places = np.zeros((self.num_envs, 2))
        self._steps = np.zeros(self.num_envs, np.int64)
        self._over = np.zeros(self.num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Go to the origin with all of them; nothing is drawn."""
        self.places = np.zeros((self.num_envs, 2))
        self._steps, self._over = np.zeros_like(self._steps), np.zeros_like(self._over)
        return self.places.astype(np.float32), {}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Step those whose episode goes on, and reset the others."""
        resets = self._over
        places, rewards, near = self.rules.walk(self.places, np.asarray(actions), self.goals)
        places[resets], rewards[resets], near[resets] = 0.0, 0.0, False
        self.places, self._steps = places, np.where(resets, 0, self._steps + 1)
        cut = self._steps >= self.rules.max_episode_steps
        self._over = near | cut
        return places.astype(np.float32), rewards, near, cut, {}


@dataclass(frozen=True)
class Goal:
    """Walking to one goal.

    Args:
        name: What it is called.
        place: Where it is.
        rules: What a step earns, and when an episode is cut.
    """

    name: str
    place: tuple[float, float]
    rules: Rules = _RULES

    def make(self, seed: int) -> gymnasium.Env[Any, Any]:
        """Make an environment of its own; nothing in it is drawn but random actions."""
        env = TimeLimit(Point(self.place, self.rules), self.rules.max_episode_steps)
        env.action_space.seed(seed)
        return env

    def make_vec(self, number: int, seed: int) -> Points:
        """Make so many environments of this goal as one."""
        return Points(np.array([self.place] * number), self.rules)

    @staticmethod
    def make_vec_of(tasks: Sequence[Goal], seed: int) -> Points:
        """Make an environment of each of some tasks as one."""
        return Points(np.array([task.place for task in tasks]), tasks[0].rules)


class Navigation2d(Domain[Goal]):
    """Walks from the origin to a goal in the plane, which is not seen; each goal is a task.

    Goals are drawn uniformly from a square around the origin, for source and target alike: what is
    new in the target is the goal. An observation is a place, an action a step of at most 0.1 along
    each axis. An episode ends within 0.01 of the goal.

    Args:
        half_width: Of the square, 0.5 in the paper.
        reward: Minus the ``distance`` to the goal after each step, as in the authors' code, or
            minus the distance ``squared``, as in their text.
        max_episode_steps: After how many steps an episode is cut; 100 in the paper.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self, half_width: float = 0.5, reward: Reward = "distance", max_episode_steps: int = 50
    ) -> None:
        check_positive(half_width=half_width, max_episode_steps=max_episode_steps)
        check_choice("reward", reward, _REWARDS)
        self.half_width, self.rules = half_width, Rules(reward, max_episode_steps)
        self.x, self.y = _spaces()

    def draw(self, split: Split, rng: np.random.Generator) -> Goal:
        """Draw a goal."""
        x, y = rng.uniform(-self.half_width, self.half_width, 2)
        return Goal(f"to {x:.2f}, {y:.2f}", (float(x), float(y)), self.rules)

"""Small families and strategies to check learners and strategies with; nothing registers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn

from tlml.data.domains import Domain
from tlml.data.tasks import SPLITS, Examples, Params, Part, Split
from tlml.spec import Kind, Spec
from tlml.strategies.gradients import gradient
from tlml.strategies.strategy import Strategy

INPUTS = 3


@dataclass(frozen=True)
class Drawn:
    """A task held in memory; its parts hold 12, 4 and 8 examples."""

    name: str
    x: Tensor
    y: Tensor

    def split(self, part: Part) -> Examples:
        """Return the examples of one part."""
        start, end = {"train": (0, 12), "val": (12, 16), "test": (16, 24)}[part]
        return Examples(self.x[start:end], self.y[start:end])


class Planes(Domain[Drawn]):
    """Regression: two values, linear in three inputs; each task has coefficients of its own."""

    def __init__(self) -> None:
        self.x = Box(-np.inf, np.inf, (INPUTS,), np.float32)
        self.y = Box(-np.inf, np.inf, (2,), np.float32)

    def tasks(self, split: Split) -> Sequence[Drawn]:
        """Return the three tasks of a split."""
        return [self._task(split, number) for number in range(3)]

    def _task(self, split: Split, number: int) -> Drawn:
        rng = np.random.default_rng([SPLITS.index(split), number])
        x = rng.standard_normal((24, INPUTS)).astype(np.float32)
        y = np.tanh(x @ rng.standard_normal((INPUTS, 2))).astype(np.float32)
        return Drawn(f"{split} plane {number}", torch.from_numpy(x), torch.from_numpy(y))


class Clouds(Domain[Drawn]):
    """Classification: three clouds of points around centres that differ from task to task."""

    def __init__(self) -> None:
        self.x = Box(-np.inf, np.inf, (INPUTS,), np.float32)
        self.y = Discrete(3)

    def tasks(self, split: Split) -> Sequence[Drawn]:
        """Return the three tasks of a split."""
        return [self._task(split, number) for number in range(3)]

    def _task(self, split: Split, number: int) -> Drawn:
        rng = np.random.default_rng([SPLITS.index(split), number])
        y = np.tile(np.arange(3), 8)
        centres = 3 * rng.standard_normal((3, INPUTS))
        x = (centres[y] + rng.standard_normal((24, INPUTS))).astype(np.float32)
        return Drawn(f"{split} clouds {number}", torch.from_numpy(x), torch.from_numpy(y))


class Point(gymnasium.Env[Any, Any]):
    """A point that walks to a goal: nine steps, the reward is minus the distance that is left.

    Args:
        goal: Where to go.
        seed: The key of where it starts.
    """

    MOVES = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) / 4

    def __init__(self, goal: tuple[float, float], seed: int) -> None:
        self.goal, self.first = np.array(goal), seed
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = Discrete(len(self.MOVES))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin near the middle."""
        if seed is None and self._np_random is None:
            seed = self.first
        super().reset(seed=seed)
        self.place, self.left = 0.1 * self.np_random.standard_normal(2), 9
        return self.place.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk a quarter, in one of four directions or nowhere."""
        return self.moved(self.MOVES[int(action)])

    def moved(self, way: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk so far, and tell what comes of it."""
        self.place = self.place + way
        self.left -= 1
        reward = -float(np.linalg.norm(self.place - self.goal))
        return self.place.astype(np.float32), reward, False, self.left == 0, {}


@dataclass(frozen=True)
class Walk:
    """Walking to one goal."""

    name: str
    goal: tuple[float, float]

    def make(self, seed: int) -> Point:
        """Make an environment, seeded."""
        return Point(self.goal, seed)


class Walks(Domain[Walk]):
    """Control: walks to goals in the unit square; the five actions are directions."""

    def __init__(self) -> None:
        self.x = Box(-np.inf, np.inf, (2,), np.float32)
        self.y = Discrete(len(Point.MOVES))

    def draw(self, split: Split, rng: np.random.Generator) -> Walk:
        """Draw a goal."""
        x, y = rng.uniform(-1, 1, 2)
        return Walk(f"to {x:.2f}, {y:.2f}", (float(x), float(y)))


_PUSHES = Box(-1, 1, (2,), np.float32)


class Push(Walk):
    """Walking to one goal by steps of any direction."""

    def make(self, seed: int) -> Pushed:
        """Make an environment, seeded."""
        return Pushed(self.goal, seed)


class Pushed(Point):
    """A point that walks in any direction, at most a quarter each way."""

    def __init__(self, goal: tuple[float, float], seed: int) -> None:
        super().__init__(goal, seed)
        self.action_space = _PUSHES

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk."""
        return self.moved(np.asarray(action, np.float32) / 4)


class Pushes(Walks):
    """Control by numbers: walks to goals in the unit square, by any step."""

    def __init__(self) -> None:
        super().__init__()
        self.y = _PUSHES

    def draw(self, split: Split, rng: np.random.Generator) -> Walk:
        """Draw a goal."""
        drawn = super().draw(split, rng)
        return Push(drawn.name, drawn.goal)


class Descent(Strategy):
    """Gradient steps that can be differentiated.

    Args:
        lr: Size of a step.
        steps: How many.
    """

    batched: ClassVar[bool] = True

    def __init__(self, lr: float = 0.1, steps: int = 3) -> None:
        super().__init__(lr=lr, steps=steps)

    def steps(
        self, loss: Callable[[Params, Any], Tensor], params: Params, support: Any
    ) -> Iterator[Params]:
        """Yield the parameters after each step."""
        for _ in range(self.max_steps):
            slope = gradient(loss, params, support)
            params = {name: p - self.rate(name) * slope[name] for name, p in params.items()}
            yield params

    def rate(self, name: str) -> float | Tensor:
        """Return the size of a step of one parameter."""
        return self.lr


class LearnedRates(Descent):
    """Gradient steps with a learned rate for each parameter (Meta-SGD, Li et al. 2017)."""

    def attach(self, network: nn.Module) -> None:
        """Make the rates, which are learned with the network."""
        self._names = [name for name, _ in network.named_parameters()]
        self.rates = nn.ParameterList(
            torch.full_like(p.detach(), self.lr) for p in network.parameters()
        )

    def rate(self, name: str) -> Tensor:
        """Return the learned rates of one parameter, of its shape."""
        found: Tensor = self.rates[self._names.index(name)]
        return found


class Nearest(Strategy):
    """Estimates without a network: what the nearest example of the support says.

    Args:
        classes: Classes where targets are classes; as many as the support has where None.
    """

    def estimate(self, support: Any, x: Tensor, space: Any) -> Tensor:
        """Return the target of the nearest example, as scores where it is a class."""
        distances = torch.cdist(x.flatten(1), support.x.flatten(1))
        y: Tensor = support.y[distances.argmin(1)]
        if y.is_floating_point():
            return y
        return nn.functional.one_hot(y, int(space.n)).to(x)


_HERE = "tlml.testing.toys"
_ALL: frozenset[Literal["pair", "episodes", "stream", "finite"]] = frozenset(
    {"pair", "episodes", "stream", "finite"}
)
_ACTS: frozenset[Literal["env", "control"]] = frozenset({"env", "control"})
TOYS: tuple[tuple[Kind, Spec], ...] = (
    ("domain", Spec("planes", f"{_HERE}:Planes", "toy", gives=_ALL | {"regression"})),
    ("domain", Spec("clouds", f"{_HERE}:Clouds", "toy", gives=_ALL | {"classification"})),
    ("domain", Spec("walks", f"{_HERE}:Walks", "toy", gives=_ACTS | {"discrete_actions"})),
    ("domain", Spec("pushes", f"{_HERE}:Pushes", "toy", gives=_ACTS | {"continuous_actions"})),
    ("strategy", Spec("descent", f"{_HERE}:Descent", "toy", gives=frozenset({"differentiable"}))),
    ("strategy", Spec("nearest", f"{_HERE}:Nearest", "toy", gives=frozenset({"estimates"}))),
)

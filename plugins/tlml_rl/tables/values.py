"""A table of the value of each action in each state."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from numpy.typing import NDArray
from torch import Tensor

from tlml import TlmlError
from tlml.data import MDP, describe_space
from tlml.errors import OptionError
from tlml.learners import Acting
from tlml.views import ViewSpaces
from tlml_rl.worlds.mazes import ARROWS, FREE, START, Maze


class Values(Acting):
    """An agent whose knowledge is a table, of float64 so that sums in it are exact enough to test.

    Attributes:
        q: The value of each action in each state ``[states, actions]``, a registered buffer; −∞ of
            actions that environments were seen not to allow there.
        gamma: What the value of what follows is discounted by.
        initial: Where all values begin.
    """

    equal_buffers = False  # each process would fill a table of its own
    gamma: float
    initial: float = 0.0
    q: Tensor

    def meet(self, spaces: ViewSpaces) -> None:
        """Take the spaces of the view to train on.

        Raises:
            TlmlError: Observations or actions can't be numbered, or this was built for others.
        """
        for what, space in (("observations", spaces.x), ("actions", spaces.y)):
            _check_numbered(type(self).__name__, what, space)
        super().meet(spaces)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the table."""
        super().prepare(spaces)
        shape = int(spaces.x.n), int(spaces.y.n)  # type: ignore[attr-defined]
        self.register_buffer("q", torch.full(shape, self.initial, dtype=torch.float64))

    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the best action in each state, the first of equal ones."""
        return self.decide_among(observations, None)

    def decide_among(
        self, observations: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> NDArray[Any]:
        """Return the best of the actions that are allowed, the first of equal ones."""
        values = self.q.numpy()[observations]
        best: NDArray[Any] = (values if allowed is None else _among(values, allowed)).argmax(-1)
        return best

    def look(self) -> None:
        """Rule out what environments don't allow in the states where they are.

        It is worth −∞ from then on, so that nobody chooses it or hopes for it.
        """
        allowed = None if self._entered is None else self.environments.allowed()
        if allowed is not None:
            states, table = np.asarray(self.environments.observations), self.q.numpy()
            known = table[states]
            known[np.isneginf(known)] = self.initial  # which may be allowed now
            table[states] = _among(known, allowed)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # A table is read and written one number at a time, which a GPU is no place for.
        for child in self.children():
            child._apply(fn)  # type: ignore[no-untyped-call]
        return self

    def walked(self, task: MDP) -> dict[str, Any] | None:
        """Return the policy as arrows and the values, where a task is a maze of our own."""
        env = task.make(0)
        maze = getattr(env.unwrapped, "maze", None)
        env.close()
        if not isinstance(maze, Maze):
            return None
        best, worth = self.q.argmax(1).tolist(), self.values().tolist()
        told = [
            (ARROWS[best[n]], worth[n]) if cell in (FREE, START) else ("", None)
            for n, cell in enumerate("".join(maze.rows))
        ]
        rows = maze.in_rows(told)
        return {
            "cells": list(maze.rows),
            "actions": [[arrow for arrow, _ in row] for row in rows],
            "values": [[value for _, value in row] for row in rows],
        }

    def values(self) -> Tensor:
        """Return the value of each state ``[states]``: that of its best action."""
        return self.q.amax(1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return what only counts: tables are learned by sums."""
        return Counting()

    def count_batch(self) -> None:
        """Let Lightning see that a batch was learned from."""
        self.optimizers().step()  # type: ignore[union-attr]


class Counting(torch.optim.Optimizer):
    """An optimiser of nothing, by whose steps Lightning counts."""

    def __init__(self) -> None:
        super().__init__([torch.zeros(0)], {})

    def step(self, closure: Any = None) -> Any:
        """Change nothing."""
        return None if closure is None else closure()


def _among(values: NDArray[Any], allowed: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values ``[n, actions]``, those of actions that aren't allowed as −∞."""
    return np.where(allowed, values, -np.inf)


def check_gamma(gamma: float) -> None:
    """Raise where a discount is not from 0 to 1."""
    if not 0 <= gamma <= 1:
        raise OptionError(f"gamma: must be from 0 to 1, is {gamma}")


def _check_numbered(learner: str, what: str, space: Space[Any]) -> None:
    if not isinstance(space, Discrete) or space.start != 0:
        raise TlmlError(
            f"{learner}: its table needs {what} numbered from 0, and they are "
            f"{describe_space(space)}; take a "
            "domain that gives 'tabular', such as gridworld, or a learner with a network, such as "
            "ppo"
        )

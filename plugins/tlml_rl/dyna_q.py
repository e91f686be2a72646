"""Dyna-Q (Sutton 1990): Q-learning that also plans with a model it has learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml.data import Transitions
from tlml.errors import OptionError
from tlml.views import ViewSpaces
from tlml_rl.q_learning import QLearning
from tlml_rl.tables.steps import Step, steps_of


class DynaQ(QLearning):
    """Learn from each step as Q-learning does, and from steps that a model imagines.

    The model is what each action led to in each state when it was last taken (Sutton & Barto 2018,
    section 8.2, tabular Dyna-Q). After each real step, `planning` pairs of state and action that
    were seen before are drawn, and what the model says of them is learned as if it had happened. In
    a world of chance the model repeats the last outcome.

    Args:
        max_env_steps: Real steps in environments after which a fit ends.
        planning: Imagined steps after each real one.
        **options: Those of `QLearning`.

    Raises:
        TlmlError: An option is out of range, or observations or actions are not numbered.

    Attributes:
        model_states: What each action led to ``[states, actions]``; -1 where it wasn't taken yet.
        model_rewards: What it earned.
        model_ends: Whether nothing followed.
    """

    model_states: Tensor
    model_rewards: Tensor
    model_ends: Tensor

    def __init__(self, max_env_steps: int = 100_000, *, planning: int = 10, **options: Any) -> None:
        if planning < 0:
            raise OptionError(f"planning: must be at least 0, is {planning}")
        self.planning = self.spare = planning
        super().__init__(max_env_steps, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the table, and a model that knows nothing."""
        super().prepare(spaces)
        shape = self.q.shape
        self.register_buffer("model_states", torch.full(shape, -1))
        self.register_buffer("model_rewards", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("model_ends", torch.zeros(shape, dtype=torch.bool))

    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn from a step of all environments, and plan after each."""
        self.look()
        errors = []
        for step, numbers in zip(steps_of(transitions), self.drawn, strict=False):
            errors.append(abs(self.learn(step)))
            self.remember(step)
            for imagined in self.imagine(numbers):
                self.learn(imagined)
        return {"td_error": sum(errors) / max(len(errors), 1), "epsilon": self.now}

    def remember(self, step: Step) -> None:
        """Let the model say of an action what it led to."""
        at = step.state, step.action
        self.model_states.numpy()[at] = step.following
        self.model_rewards.numpy()[at] = step.reward
        self.model_ends.numpy()[at] = step.ended

    def imagine(self, numbers: NDArray[Any]) -> list[Step]:
        """Return what the model says of pairs of state and action, drawn by numbers from 0 to 1."""
        following = self.model_states.numpy()
        known = np.flatnonzero(following >= 0)
        chosen = known[(numbers * len(known)).astype(int)]
        states, actions = np.divmod(chosen, following.shape[1])
        columns = (
            states, actions, self.model_rewards.numpy().flat[chosen], following.flat[chosen],
            self.model_ends.numpy().flat[chosen],
        )  # fmt: skip
        return [Step(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]

"""Agents that learn from rollouts, and agents that learn after each step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from tlml.data.rollouts import Rollout, Transitions
from tlml.errors import TlmlError, check_positive
from tlml.learners.acting import Acting


class OnPolicy(Acting):
    """An agent that learns from each rollout once, right after it; a subclass writes `update`.

    A batch of a fit is a rollout and all that is learned from it.

    Args:
        max_env_steps: Steps in environments, of all processes, after which a fit ends.
        rollout_steps: Steps of each environment in a rollout.
        **options: Those of the learner.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(self, *args: Any, max_env_steps: int, rollout_steps: int, **options: Any) -> None:
        check_positive(max_env_steps=max_env_steps, rollout_steps=rollout_steps)
        self.max_env_steps, self.rollout_steps = max_env_steps, rollout_steps
        super().__init__(*args, **options)
        self.automatic_optimization = False

    @abstractmethod
    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from a rollout, and return what is to be logged."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Collect a rollout and learn from it."""
        self.log_progress(self.update(self.collect(self.rollout_steps)))
        self._stop_in_time()


class OffPolicy(Acting):
    """An agent that learns after each step; a subclass writes `update`.

    A batch of a fit is a block of steps.

    Args:
        max_env_steps: Steps in environments, of all processes, after which a fit ends.
        block_steps: Steps of each environment in a batch of the fit.
        gamma: What the value of what follows is discounted by.
        **options: Those of the learner.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self, *args: Any, max_env_steps: int, block_steps: int, gamma: float = 0.99, **options: Any
    ) -> None:
        check_positive(max_env_steps=max_env_steps, block_steps=block_steps)
        if not 0 <= gamma <= 1:
            raise TlmlError(f"gamma: must be from 0 to 1, is {gamma}")
        self.max_env_steps, self.block_steps, self.gamma = max_env_steps, block_steps, gamma
        super().__init__(*args, **options)
        self.automatic_optimization = False

    @abstractmethod
    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn after a step of all environments, and return what is to be logged."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Act for a block of steps, and learn after each."""
        told: Mapping[str, Any] = {}
        for transitions in self.interact(self.block_steps, self.gamma):
            told = self.update(transitions)
        self.log_progress(told)
        self._stop_in_time()

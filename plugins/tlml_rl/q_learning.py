"""Q-learning (Watkins & Dayan 1992)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlml.data import Transitions
from tlml.learners import OffPolicy
from tlml_rl.tables.exploring import Exploring
from tlml_rl.tables.steps import Step, steps_of


class QLearning(Exploring, OffPolicy):
    """Learn what each action in each state is worth if the best ones follow.

    After each step (Sutton & Barto 2018, equation 6.8):

        Q(s, a) ← Q(s, a) + α (r + γ max_a' Q(s', a') − Q(s, a))

    Nothing follows where an episode ended. What was cut by a time limit goes on.

    Args:
        max_env_steps: Steps in environments after which a fit ends.
        gamma: What the value of what follows is discounted by, γ.
        lr: How far a value goes towards its target, α.
        epsilon: The probability of an action by chance in the beginning.
        epsilon_end: What it falls to.
        epsilon_share: The share of the steps over which it falls.
        initial: The value of all actions in the beginning: a high one lets all be tried.
        block_steps: Steps of each environment in a batch of a fit, between which it can be resumed.
        **options: Those of a learner.

    Raises:
        TlmlError: An option is out of range, or observations or actions are not numbered.
    """

    def __init__(
        self,
        max_env_steps: int = 100_000,
        gamma: float = 0.99,
        lr: float = 0.1,
        epsilon: float = 1.0,
        epsilon_end: float = 0.05,
        epsilon_share: float = 0.5,
        initial: float = 0.0,
        block_steps: int = 100,
        **options: Any,
    ) -> None:
        super().__init__(
            max_env_steps=max_env_steps, gamma=gamma, lr=lr, epsilon=epsilon,
            epsilon_end=epsilon_end, epsilon_share=epsilon_share, initial=initial,
            block_steps=block_steps, **options,
        )  # fmt: skip

    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn from a step of all environments, one after the other."""
        self.look()
        errors = [self.learn(step) for step in steps_of(transitions)]
        return {"td_error": sum(map(abs, errors)) / max(len(errors), 1), "epsilon": self.now}

    def learn(self, step: Step) -> float:
        """Move one value towards its target; return how far it was from it."""
        table = self.q.numpy()
        best = 0.0 if step.ended else table[step.following].max()
        error = step.reward + self.gamma * best - table[step.state, step.action]
        table[step.state, step.action] += self.lr * error
        return float(error)

"""Sarsa (Rummery & Niranjan 1994): Q-learning's sister that learns of what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlml.data import Rollout
from tlml_rl.tables.holding import Holding
from tlml_rl.tables.steps import Step, in_time


class Sarsa(Holding):
    """Learn what each action in each state is worth if one goes on as one does, chance included.

    Once the next action a' is known (Sutton & Barto 2018, equation 6.7):

        Q(s, a) ← Q(s, a) + α (r + γ Q(s', a') − Q(s, a))

    Nothing follows where an episode ended; where it was cut, the best action stands for a'. The
    table changes after each rollout, in the order of the steps: with ``rollout_steps=1`` and one
    environment it is the algorithm of the book.

    Args:
        max_env_steps: Steps in environments after which a fit ends.
        gamma: What the value of what follows is discounted by, γ.
        lr: How far a value goes towards its target, α.
        epsilon: The probability of an action by chance in the beginning.
        epsilon_end: What it falls to.
        epsilon_share: The share of the steps over which it falls.
        initial: The value of all actions in the beginning: a high one lets all be tried.
        rollout_steps: Steps of each environment that it acts for by one table.
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
        rollout_steps: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(
            max_env_steps=max_env_steps, gamma=gamma, lr=lr, epsilon=epsilon,
            epsilon_end=epsilon_end, epsilon_share=epsilon_share, initial=initial,
            rollout_steps=rollout_steps, **options,
        )  # fmt: skip

    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from each step whose next one is known."""
        self.look()
        table, waiting, errors = self.q.numpy(), self.waiting(), []
        for n, step, cut in in_time(rollout):
            for before in waiting[n]:
                errors.append(self.learn(before, table[step.state, step.action]))
            waiting[n] = []
            if step.ended:
                errors.append(self.learn(step, 0.0))
            elif cut:
                errors.append(self.learn(step, table[step.following].max()))
            else:
                waiting[n] = [step]
        self.hold(waiting)
        return {"td_error": sum(map(abs, errors)) / max(len(errors), 1), "epsilon": self.now}

    def learn(self, step: Step, following: float) -> float:
        """Move one value towards its target; return how far it was from it."""
        table = self.q.numpy()
        error = step.reward + self.gamma * following - table[step.state, step.action]
        table[step.state, step.action] += self.lr * error
        return float(error)

"""Monte Carlo control (Sutton & Barto 2018, section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.data import Rollout
from tlml_rl.tables.holding import Holding
from tlml_rl.tables.steps import Step, in_time


class MonteCarlo(Holding):
    """Learn what each action in each state is worth from what episodes earned after it.

    When an episode is over, for each of its steps from the last one back, with the return
    G ← r + γ G (every visit counts, and a constant α lets old policies fade):

        Q(s, a) ← Q(s, a) + α (G − Q(s, a))

    G begins with 0 where the episode ended, and with the value of the last state where it was cut.

    Args:
        max_env_steps: Steps in environments after which a fit ends.
        gamma: What later rewards are discounted by, γ.
        lr: How far a value goes towards a return, α.
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
        lr: float = 0.05,
        epsilon: float = 1.0,
        epsilon_end: float = 0.05,
        epsilon_share: float = 0.5,
        initial: float = 0.0,
        rollout_steps: int = 50,
        **options: Any,
    ) -> None:
        super().__init__(
            max_env_steps=max_env_steps, gamma=gamma, lr=lr, epsilon=epsilon,
            epsilon_end=epsilon_end, epsilon_share=epsilon_share, initial=initial,
            rollout_steps=rollout_steps, **options,
        )  # fmt: skip

    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from the episodes that ended in a rollout."""
        self.look()
        episodes = self.waiting()
        for n, step, cut in in_time(rollout):
            episodes[n].append(step)
            if step.ended or cut:
                self.learn(episodes[n])
                episodes[n] = []
        self.hold(episodes)
        return {"epsilon": self.now}

    def learn(self, episode: Sequence[Step]) -> None:
        """Move the values of an episode's steps towards the returns that followed."""
        table, last = self.q.numpy(), episode[-1]
        gained = 0.0 if last.ended else float(table[last.following].max())
        for step in reversed(episode):
            gained = step.reward + self.gamma * gained
            table[step.state, step.action] += self.lr * (gained - table[step.state, step.action])

"""REINFORCE (Williams 1992, doi.org/10.1007/BF00992696): the policy gradient of returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tlml import Strategy
from tlml.data import Rollout
from tlml.errors import check_choice
from tlml_rl.base.minibatches import weighed
from tlml_rl.base.objective import Objective, explained_variance, told
from tlml_rl.base.policy_learner import PolicyLearner
from tlml_rl.returns import CREDITS, Credit, credit, discounted_returns, unfinished


class Reinforce(PolicyLearner):
    """Make actions likelier, the more came of them: Σ (G_t − b(s_t)) ∇ log π(a_t|s_t).

    What came of an action says `credit`. With a baseline a critic learns what comes from a state
    on, is subtracted from that, and stands for what follows where a rollout ends within an episode.
    Without one, what the rollout cut is left out: choose `rollout_steps` above an episode's length.

    Args:
        network: As of `PolicyLearner`.
        strategy: What takes part in training.
        max_env_steps: Steps in environments after which a fit ends.
        rollout_steps: Steps of each environment in a rollout.
        credit: ``whole_return`` of the episode for each of its actions, ``reward_to_go``, or
            ``from_the_end``: the return, the less of it the longer before the end.
        baseline: Whether a critic's values are subtracted.
        normalise_advantages: Whether what came has mean 0 and variance 1 in a rollout.
        gamma: The discount rate γ.
        lr: Learning rate, which falls to 0 unless ``lr_schedule="constant"``.
        entropy: Weight of the policy's entropy.
        value_weight: Weight of the critic's squared error.
        clip_norm: The largest norm of a gradient; None clips nothing.
        seed: The key of initialisation and actions.
        **options: Those of `PolicyLearner`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int = 500_000,
        rollout_steps: int = 128,
        credit: Credit = "reward_to_go",
        baseline: bool = True,
        normalise_advantages: bool = True,
        gamma: float = 0.99,
        lr: float = 3e-3,
        entropy: float = 0.0,
        value_weight: float = 0.5,
        clip_norm: float | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        check_choice("credit", credit, CREDITS)
        self.credit: Credit = credit
        self.baseline, self.normalise_advantages = baseline, normalise_advantages
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, rollout_steps=rollout_steps,
            gamma=gamma, lr=lr, entropy=entropy, value_weight=value_weight if baseline else 0.0,
            clip_norm=clip_norm, seed=seed, **options,
        )  # fmt: skip

    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from a rollout."""
        self.follow_schedule()
        rows, seen, after = self.rows_of(rollout)
        follows = after if self.baseline else torch.zeros_like(after)
        what_came = (seen.rewards, seen.terminated, seen.truncated, self.gamma)
        given = credit(*what_came, self.credit, follows, seen.valid).reshape(-1).to(rows.values)
        returns = discounted_returns(*what_came, follows, seen.valid).reshape(-1).to(rows.values)
        counts = self._counts(seen).reshape(-1)
        advantages = given - rows.values if self.baseline else given
        weights, advantages = weighed(advantages, counts, 1, self.normalise_advantages)
        rows = rows._replace(advantages=advantages, returns=returns, weights=weights)
        terms = self.step_down(Objective(None, self.entropy, self.value_weight), rows, tell=True)
        self.take_in_observations(rollout)
        return {
            **told([terms]),
            "lr": self.flat_optimizer().param_groups[0]["lr"],
            "explained_variance": explained_variance(rows.values, rows.returns, counts),
        }

    def _counts(self, rollout: Rollout) -> Tensor:
        """Return which rows to learn from ``[T, N]``."""
        if self.baseline:
            return rollout.valid
        return rollout.valid & ~unfinished(rollout.terminated, rollout.truncated)

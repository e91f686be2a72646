"""Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), all environments in step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from tlml import Strategy
from tlml.data import Rollout
from tlml_rl.base.minibatches import weighed
from tlml_rl.base.objective import Objective, explained_variance, told
from tlml_rl.base.policy_learner import PolicyLearner
from tlml_rl.returns import gae


class A2C(PolicyLearner):
    """Take one step for each short rollout, as the actors of A3C do, but all of them together.

    Adam steps where the paper has RMSProp. Advantages of the paper are those with
    ``gae_lambda=1``: what came in the rollout, and the critic's estimate of what follows it.

    Args:
        network: As of `PolicyLearner`.
        strategy: What takes part in training.
        max_env_steps: Steps in environments after which a fit ends.
        rollout_steps: Steps of each environment in a rollout (t_max of algorithm S3).
        gamma: The discount rate γ.
        gae_lambda: λ of advantages.
        normalise_advantages: Whether advantages of a rollout have mean 0 and variance 1.
        lr: Learning rate, which falls to 0 unless ``lr_schedule="constant"``.
        entropy: β, the weight of the policy's entropy.
        value_weight: Weight of the critic's squared error.
        clip_norm: The largest norm of a gradient.
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
        rollout_steps: int = 8,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        normalise_advantages: bool = False,
        lr: float = 2e-3,
        entropy: float = 0.0,
        value_weight: float = 0.5,
        clip_norm: float | None = 0.5,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.normalise_advantages = normalise_advantages
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, rollout_steps=rollout_steps,
            gamma=gamma, gae_lambda=gae_lambda, lr=lr, entropy=entropy, value_weight=value_weight,
            clip_norm=clip_norm, seed=seed, **options,
        )  # fmt: skip

    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from a rollout: −A ∇ log π(a|s) − β ∇H, and the critic's error (algorithm S3)."""
        self.follow_schedule()
        rows, seen, after = self.rows_of(rollout)
        shape, valid = rollout.rewards.shape, rollout.valid.reshape(-1)
        advantages = gae(
            seen.rewards, rows.values.reshape(shape).cpu(), after, seen.terminated, seen.truncated,
            self.gamma, self.gae_lambda, seen.valid,
        ).reshape(-1).to(rows.values)  # fmt: skip
        weights, normal = weighed(advantages, valid, 1, self.normalise_advantages)
        rows = rows._replace(advantages=normal, returns=advantages + rows.values, weights=weights)
        terms = self.step_down(Objective(None, self.entropy, self.value_weight), rows, tell=True)
        self.take_in_observations(rollout)
        return {
            **told([terms]),
            "lr": self.flat_optimizer().param_groups[0]["lr"],
            "explained_variance": explained_variance(rows.values, rows.returns, valid),
        }

"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from tlml import EnvView, Strategy, View
from tlml.data import Rollout
from tlml.errors import check_choice, check_positive
from tlml_rl.base.flat_learner import SCHEDULES, Schedule
from tlml_rl.base.minibatches import check_batch, epochs, summed
from tlml_rl.base.objective import Objective, Terms, explained_variance, told
from tlml_rl.base.policy_learner import PolicyLearner
from tlml_rl.returns import gae

_FAR = 1.5  # times `target_kl`, where epochs end


class PPO(PolicyLearner):
    """Step some epochs on each rollout, no further than where its actions are about as likely.

    The defaults are those of rl-zoo for CartPole.

    Args:
        network: As of `PolicyLearner`.
        strategy: What takes part in training.
        max_env_steps: Steps in environments after which a fit ends.
        rollout_steps: Steps of each environment in a rollout (T of algorithm 1).
        batch_size: Steps of a minibatch, of all processes together (M of algorithm 1).
        epochs: How often each rollout is gone through (K of algorithm 1).
        gamma: The discount rate γ.
        gae_lambda: λ of advantages.
        clip: ε of equation 7.
        clip_schedule: Whether it falls to 0 at the end (``linear``), or stays (``constant``).
        value_clip: How far values may go from what they were for their error to count; None:
            anywhere.
        target_kl: Epochs end where the policy has gone further than 1.5 times this; None: nowhere.
        normalise_advantages: Whether advantages of a minibatch have mean 0 and variance 1.
        lr: Learning rate, which falls to 0 unless ``lr_schedule="constant"``.
        entropy: c₂ of equation 9.
        value_weight: c₁ of equation 9.
        clip_norm: The largest norm of a gradient.
        seed: The key of initialisation, actions and minibatches.
        **options: Those of `PolicyLearner`.

    Raises:
        TlmlError: An option is out of range, or minibatches don't make up a rollout.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int = 100_000,
        rollout_steps: int = 32,
        batch_size: int = 256,
        epochs: int = 20,
        gamma: float = 0.98,
        gae_lambda: float = 0.8,
        clip: float = 0.2,
        clip_schedule: Schedule = "linear",
        value_clip: float | None = None,
        target_kl: float | None = None,
        normalise_advantages: bool = True,
        lr: float = 1e-3,
        entropy: float = 0.0,
        value_weight: float = 0.5,
        clip_norm: float | None = 0.5,
        seed: int = 0,
        **options: Any,
    ) -> None:
        check_positive(
            batch_size=batch_size, epochs=epochs, clip=clip, value_clip=value_clip,
            target_kl=target_kl,
        )  # fmt: skip
        check_choice("clip_schedule", clip_schedule, SCHEDULES)
        self.batch_size, self.epochs, self.clip = batch_size, epochs, clip
        self.clip_schedule, self.value_clip, self.target_kl = clip_schedule, value_clip, target_kl
        self.normalise_advantages = normalise_advantages
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, rollout_steps=rollout_steps,
            gamma=gamma, gae_lambda=gae_lambda, lr=lr, entropy=entropy, value_weight=value_weight,
            clip_norm=clip_norm, seed=seed, **options,
        )  # fmt: skip

    def check(self, view: View) -> None:
        """Raise where minibatches don't make up a rollout."""
        super().check(view)
        if isinstance(view, EnvView):
            _, processes = view.world()
            check_batch(
                self.batch_size, self.rollout_steps, view.envs, processes,
                self.normalise_advantages,
            )  # fmt: skip

    def update(self, rollout: Rollout) -> Mapping[str, Any]:
        """Learn from a rollout (algorithm 1)."""
        self.follow_schedule()
        rows, seen, after = self.rows_of(rollout)
        shape, valid = rollout.rewards.shape, rollout.valid.reshape(-1)
        # Equations 11 and 12.
        advantages = gae(
            seen.rewards, rows.values.reshape(shape).cpu(), after, seen.terminated, seen.truncated,
            self.gamma, self.gae_lambda, seen.valid,
        ).reshape(-1).to(rows.values)  # fmt: skip
        rows = rows._replace(advantages=advantages, returns=advantages + rows.values)
        objective = self.objective()
        parts = self._parts(len(valid))
        rounds = epochs(rows, valid, parts, self.draws(), self.normalise_advantages)
        for epoch, minibatches in zip(range(1, self.epochs + 1), rounds, strict=False):
            tell = epoch == self.epochs or self.target_kl is not None
            terms = [self.step_down(objective, each, tell) for each in minibatches]
            if self._went_far(terms):
                break
        self.take_in_observations(rollout)
        return {
            **told(terms),
            "lr": self.flat_optimizer().param_groups[0]["lr"],
            "clip": objective.clip,
            "epochs": epoch,
            "explained_variance": explained_variance(rows.values, rows.returns, valid),
        }

    def objective(self) -> Objective:
        """Return the loss of now: equation 9, with the clipped surrogate of equation 7."""
        share = self.remaining() if self.clip_schedule == "linear" else 1.0
        return Objective(self.clip * share, self.entropy, self.value_weight, self.value_clip)

    def _parts(self, rows: int) -> int:
        processes = 1 if self._trainer is None else self.trainer.world_size
        check_batch(self.batch_size, rows, 1, processes, self.normalise_advantages)
        return rows * processes // self.batch_size

    def _went_far(self, terms: list[Terms]) -> bool:
        if self.target_kl is None:
            return False
        away = np.array([np.mean([each.approx_kl for each in terms])])
        processes = summed(away)  # all of them must stop together
        return bool(away[0] / processes > _FAR * self.target_kl)

"""What on-policy agents minimise: the loss of a policy, of its critic, and the entropy's share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tlml_rl.base.actor_critic import ActorCritic
from tlml_rl.base.policies import Policy


class Rows(NamedTuple):
    """Steps of a rollout to learn from, in any order.

    Args:
        inputs: What the network is given ``[n, ...]``.
        actions: Raw actions ``[n, ...]``.
        log_probs: Their log-probabilities when they were drawn ``[n]``.
        advantages: ``[n]``.
        returns: What values should be ``[n]``.
        values: What they were when the rollout was collected ``[n]``.
        weights: Shares of the loss ``[n]``; 0 for rows of a reset. They sum to 1, over all
            processes to their number.
        masks: Which actions were allowed ``[n, size]``; None: all.
    """

    inputs: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor
    weights: Tensor
    masks: Tensor | None = None


class Terms(NamedTuple):
    """The parts of a loss; NaN where nobody asked for them."""

    policy_loss: float = math.nan
    value_loss: float = math.nan
    entropy: float = math.nan
    approx_kl: float = math.nan
    clip_fraction: float = math.nan


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss ``policy_loss + value_weight · value_loss − entropy · H``.

    Args:
        clip: ε of PPO's clipped ratio, a number, or a tensor where a program is to take it; None:
            the plain policy gradient.
        entropy: Weight of the policy's entropy H.
        value_weight: Weight of the mean squared error of values.
        value_clip: How far from before values may go for their error to count; None: anywhere.
    """

    clip: float | Tensor | None = None
    entropy: float = 0.0
    value_weight: float = 0.5
    value_clip: float | None = None

    def loss(
        self, network: ActorCritic, policy: Policy, rows: Rows, tell: bool = True
    ) -> tuple[Tensor, Terms]:
        """Return the loss on some rows, to be differentiated, and its parts.

        Args:
            network: The actor and the critic.
            policy: What the actor's outputs mean.
            rows: Where.
            tell: Whether to tell its parts.
        """
        total, parts = self.parts(network, policy, rows, tell)
        return total, Terms() if parts is None else Terms(*parts.tolist())

    def parts(
        self, network: ActorCritic, policy: Policy, rows: Rows, tell: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss, to be differentiated, and the numbers of `Terms` ``[5]`` if told."""
        outputs, values = network(rows.inputs)
        if rows.masks is not None:
            outputs = torch.where(rows.masks, outputs, -math.inf)
        log_probs = policy.log_prob(outputs, rows.actions, network.log_std)
        policy_loss = rows.weights @ self.of_policy(log_probs, rows)
        value_loss = rows.weights @ self.of_values(values, rows)
        total = policy_loss + self.value_weight * value_loss
        if not (self.entropy or tell):
            return total, None
        entropy = rows.weights @ policy.entropy(outputs, network.log_std)
        if self.entropy:
            total = total - self.entropy * entropy
        parts = (policy_loss.detach(), value_loss.detach(), entropy.detach())
        return total, self._told(parts, log_probs.detach(), rows) if tell else None

    def of_policy(self, log_probs: Tensor, rows: Rows) -> Tensor:
        """Return the policy's loss of each row ``[n]``.

        Without a clip −A log π(a|s); with it −min(r A, clip(r, 1 − ε, 1 + ε) A), where r is the
        ratio of probabilities now and when the action was drawn.
        """
        if self.clip is None:
            return -rows.advantages * log_probs
        ratio = (log_probs - rows.log_probs).exp()
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)  # type: ignore[arg-type]  # both alike
        return -torch.minimum(ratio * rows.advantages, clipped * rows.advantages)

    def of_values(self, values: Tensor, rows: Rows) -> Tensor:
        """Return the squared error of each value ``[n]``, the larger one where it is clipped."""
        errors = (values - rows.returns) ** 2
        if self.value_clip is None:
            return errors
        moved = (values - rows.values).clamp(-self.value_clip, self.value_clip)
        return torch.maximum(errors, (rows.values + moved - rows.returns) ** 2)

    def _told(self, parts: tuple[Tensor, ...], log_probs: Tensor, rows: Rows) -> Tensor:
        changes = log_probs - rows.log_probs
        ratio = changes.exp()
        far = (ratio - 1).abs() > (math.inf if self.clip is None else self.clip)
        away, share = rows.weights @ (ratio - 1 - changes), rows.weights @ far.to(ratio.dtype)
        return torch.stack((*parts, away, share))


def told(terms: Sequence[Terms]) -> dict[str, float]:
    """Return the means of what was told of steps, by name."""
    means = np.mean(np.array(terms), axis=0)
    return dict(zip(Terms._fields, map(float, means), strict=True))


def explained_variance(values: Tensor, returns: Tensor, valid: Tensor) -> float:
    """Return the share of the variance of returns that values tell; 1 at best."""
    kept = valid.cpu().numpy()
    wanted = returns.cpu().numpy()[kept]
    spread = float(wanted.var()) if len(wanted) else 0.0
    errors = wanted - values.cpu().numpy()[kept]
    return 1.0 - float(errors.var()) / spread if spread > 0 else math.nan

"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tlml import Strategy
from tlml.errors import check_choice, check_positive
from tlml_rl.off_policy.twin_learner import Minibatch, TwinLearner

Array = NDArray[Any]

_LOWEST, _HIGHEST = -20.0, 2.0  # logarithms of standard deviations
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class SAC(TwinLearner):
    """Earn much, and stay as random as that allows: the entropy of actions is worth α.

    Two critics learn (equations 5 and 6, and the smaller of both targets)

        y = r + γ (min_i Q̂_i(s', a') − α log π(a'|s')),  a' ~ π(s')

    and the actor goes down α log π(a|s) − min_i Q_i(s, a), through a = tanh(μ + σ ε) (equation 9).
    α is learned so that the entropy comes to a target, −dim(A) unless told otherwise (equation 18).
    Nothing follows where an episode ended; what was cut by a time limit goes on. The defaults are
    the paper's.

    Args:
        network: ``auto``, three perceptrons; or an `ActorTwins` with two outputs for each number
            of an action.
        strategy: What takes part in training, such as ``linear_probe``, which trains the heads.
        max_env_steps: Steps in environments after which a fit ends.
        entropy: α, or ``auto`` to learn it.
        entropy_start: Where it starts then.
        target_entropy: H̄, the entropy that it is learned for; None: −1 for each number.
        lr: Learning rate of actor, critics and α.
        **options: Those of `TwinLearner`.

    Raises:
        TlmlError: An option is out of range, actions are not in a Box with bounds, or memory is
            short.
    """

    per_action: ClassVar[int] = 2

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int = 20_000,
        entropy: float | Literal["auto"] = "auto",
        entropy_start: float = 1.0,
        target_entropy: float | None = None,
        lr: float = 3e-4,
        **options: Any,
    ) -> None:
        if isinstance(entropy, str):
            check_choice("entropy", entropy, ("auto",))
        else:
            check_positive(entropy=entropy)
        check_positive(entropy_start=entropy_start)
        self.entropy, self.entropy_start = entropy, entropy_start
        self.target_entropy = target_entropy
        super().__init__(network, strategy, max_env_steps=max_env_steps, lr=lr, **options)

    def drawn(self, outputs: Array, noise: Array) -> Array:
        """Return actions as the policy draws them."""
        return _Draw(outputs, noise).actions

    def best(self, outputs: Array) -> Array:
        """Return the hyperbolic tangents of the means."""
        found: Array = np.tanh(outputs[:, : self.policy.size])
        return found

    def learn(self, minibatch: Minibatch, noise: Array) -> dict[str, float]:
        """Take a step of α, of the critics and of the actor, and let the targets follow."""
        path, optimizers = self.path(), self.optimizers_of()
        alpha, (rewards, worth) = self.alpha(), (minibatch.rewards, minibatch.worth)

        # The critics' targets: an action of now for what followed.
        next_action = _Draw(path.outputs(minibatch.after), noise[1])
        following = path.target_values(minibatch.after, next_action.actions).min(0)
        aims = rewards + worth * (following - alpha * next_action.log_prob)

        # Equation 5: half the squared error of each critic.
        values = path.values(minibatch.seen, minibatch.actions)
        errors = values - aims
        path.critic_slopes(errors / len(rewards))
        self.step_on(optimizers[1])

        # Equation 9: α log π(a|s) − min Q(s, a), down the smaller of both values.
        action = _Draw(path.outputs(minibatch.seen), noise[0])
        judged = path.values(minibatch.seen, action.actions)
        smaller = judged == judged.min(0)
        smaller[1] &= ~smaller[0]
        by_action = path.action_slopes(-smaller.astype(judged.dtype) / len(rewards))
        path.actor_slopes(action.slopes(by_action, alpha / len(rewards)))
        self.step_on(optimizers[0])

        # Equation 18: −α (log π(a|s) + H̄), by the logarithm of α.
        surprise = float(action.log_prob.mean())
        self._step_alpha(surprise)
        self.follow()
        return {
            "critic_loss": 0.5 * float((errors**2).mean(1).sum()),
            "actor_loss": alpha * surprise - float(judged.min(0).mean()),
            "value": float(values.mean()),
            "entropy": -surprise,
            "alpha": alpha,
        }

    def alpha(self) -> float:
        """Return α of now."""
        found = self.built().log_alpha
        return float(self.entropy) if found is None else math.exp(float(found.detach()))

    def _step_alpha(self, surprise: float) -> None:
        log_alpha, aim = self.built().log_alpha, self.target_entropy
        if log_alpha is None:
            return
        aim = -float(self.policy.size) if aim is None else aim
        flat = self.optimizers_of()[2].flat
        flat.attach()
        flat.gradients.fill_(-(surprise + aim))
        self.step(self.optimizers_of()[2])

    def _temperature(self) -> float | None:
        return self.entropy_start if self.entropy == "auto" else None


class _Draw:
    """Actions a = tanh(μ + σ ε), and slopes through them.

    Args:
        outputs: μ and log σ ``[n, 2 · a]``.
        noise: ε ``[n, a]``.

    Attributes:
        actions: ``[n, a]``.
        log_prob: The logarithms of their densities ``[n]``, those of u less log(1 − tanh² u).
    """

    def __init__(self, outputs: Array, noise: Array) -> None:
        mean, told = np.split(outputs, 2, 1)
        log_std = np.clip(told, _LOWEST, _HIGHEST)
        self._inside = log_std == told
        self._spread = np.exp(log_std) * noise
        before = mean + self._spread
        self.actions: Array = np.tanh(before)
        # log(1 − tanh² u), which would round to −∞ where u is large.
        shrunk = 2 * (math.log(2.0) - before - np.logaddexp(0, -2 * before))
        density = -0.5 * noise**2 - log_std - _HALF_LOG_2PI
        self.log_prob: Array = (density - shrunk).sum(1, dtype=outputs.dtype)

    def slopes(self, by_actions: Array, by_log_prob: float) -> Array:
        """Return slopes by outputs ``[n, 2 · a]``, of a loss with these of actions and log π."""
        # d log π / du = 2 tanh u; and log σ itself is in log π, once.
        by_before = by_actions * (1 - self.actions**2) + by_log_prob * 2 * self.actions
        by_log_std = (by_before * self._spread - by_log_prob) * self._inside
        return np.concatenate([by_before, by_log_std], 1)

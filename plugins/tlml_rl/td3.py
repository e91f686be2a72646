"""Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018, arXiv 1802.09477)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tlml import Strategy
from tlml.errors import check_not_negative, check_positive
from tlml.views import ViewSpaces
from tlml_rl.off_policy.twin_learner import Minibatch, TwinLearner

Array = NDArray[Any]


class TD3(TwinLearner):
    """Act by one best guess, and learn of it from two critics that don't hope too much.

    Three things keep values from growing beyond what is true (algorithm 1): the smaller of two
    critics' values, targets of actions near those of the target actor,

        y = r + γ min_i Q̂_i(s', π̂(s') + ε),  ε ~ clip(N(0, σ̃), −c, c)

    and an actor, with the target networks, that is stepped only at every d-th step of the critics.
    Nothing follows where an episode ended; what was cut by a time limit goes on. The defaults are
    the paper's.

    Args:
        network: ``auto``, three perceptrons; or an `ActorTwins` with one output for each number of
            an action.
        strategy: What takes part in training, such as ``linear_probe``, which trains the heads.
        max_env_steps: Steps in environments after which a fit ends.
        noise: Standard deviation of what is added to actions in training, of half the Box.
        target_noise: σ̃, of what is added to those of the target actor.
        target_clip: c, the most of it.
        policy_every: d, steps of the critics for one of the actor.
        lr: Learning rate of actor and critics.
        **options: Those of `TwinLearner`.

    Raises:
        TlmlError: An option is out of range, actions are not in a Box with bounds, or memory is
            short.

    Attributes:
        taken: Gradient steps of the critics so far, a registered buffer.
    """

    has_target_actor: ClassVar[bool] = True
    taken: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int = 20_000,
        noise: float = 0.1,
        target_noise: float = 0.2,
        target_clip: float = 0.5,
        policy_every: int = 2,
        lr: float = 1e-3,
        **options: Any,
    ) -> None:
        check_not_negative(noise=noise, target_noise=target_noise, target_clip=target_clip)
        check_positive(policy_every=policy_every)
        self.action_noise, self.target_noise = noise, target_noise
        self.target_clip, self.policy_every = target_clip, policy_every
        super().__init__(network, strategy, max_env_steps=max_env_steps, lr=lr, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Count steps of the critics."""
        super().prepare(spaces)
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))

    def drawn(self, outputs: Array, noise: Array) -> Array:
        """Return the best actions, and noise."""
        found: Array = np.clip(np.tanh(outputs) + self.action_noise * noise, -1, 1)
        return found

    def best(self, outputs: Array) -> Array:
        """Return the hyperbolic tangents of outputs."""
        found: Array = np.tanh(outputs)
        return found

    def learn(self, minibatch: Minibatch, noise: Array) -> dict[str, float]:
        """Take a step of the critics, and at times one of the actor and of the targets."""
        path, optimizers = self.path(), self.optimizers_of()
        rewards, number = minibatch.rewards, len(minibatch.rewards)

        # The critics' targets: near the target actor's action for what followed.
        near = np.clip(self.target_noise * noise[1], -self.target_clip, self.target_clip)
        action = np.clip(np.tanh(path.target_outputs(minibatch.after)) + near, -1, 1)
        aims = rewards + minibatch.worth * path.target_values(minibatch.after, action).min(0)

        # The squared error of each critic.
        values = path.values(minibatch.seen, minibatch.actions)
        errors = values - aims
        path.critic_slopes(2 * errors / number)
        self.step_on(optimizers[1])
        self.taken += 1
        told = {"critic_loss": float((errors**2).mean(1).sum()), "value": float(values.mean())}
        if int(self.taken) % self.policy_every:
            return told

        # The deterministic policy gradient: up the first critic's value.
        chosen = np.tanh(path.outputs(minibatch.seen))
        judged = path.values(minibatch.seen, chosen)
        up = np.zeros_like(judged)
        up[0] = -1 / number
        path.actor_slopes(path.action_slopes(up) * (1 - chosen**2))
        self.step_on(optimizers[0])
        self.follow()
        return {**told, "actor_loss": -float(judged[0].mean())}

"""Deep Q-learning (Mnih et al. 2015, doi.org/10.1038/nature14236)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tlml import Strategy
from tlml.data import Transitions
from tlml.errors import DivergedError, check_choice, check_positive
from tlml_rl.base.flat_learner import SCHEDULES, Schedule
from tlml_rl.off_policy.value_learner import ValueLearner, masked

_AT_ONCE = 512  # observations that the target network is given


class DQN(ValueLearner):
    """Learn what each action is worth if the best ones follow, from steps that are replayed.

    The network's value of the action goes towards (equation 2)

        y = r + γ max_a' Q̂(s', a')

    by the Huber loss, where Q̂ is the target network, which stays as it is for some time. Nothing
    follows where an episode ended; what was cut by a time limit goes on. The defaults are those of
    rl-zoo for CartPole.

    Args:
        network: ``auto`` (a perceptron), a registered network or a class path or a module, by whose
            features actions are valued.
        strategy: What takes part in training, such as ``linear_probe``, which trains the head.
        max_env_steps: Steps in environments after which a fit ends.
        network_options: Of ``auto``: ``hidden`` and ``activation``; else of the named network.
        double: Whether the network says which action is best, and the target network what that is
            worth (van Hasselt et al. 2016, arXiv 1509.06461).
        dueling: Whether the head tells a state's value from the advantages of actions (Wang et al.
            2016, arXiv 1511.06581); both are linear in the same features.
        n_step: Rewards that are summed up before the value of what follows counts.
        priority_alpha: How far steps are drawn by their error, α (Schaul et al. 2016, arXiv
            1511.05952); None: all alike. Errors of a turn count from the next one on.
        priority_beta: How far their weights make up for that, β, which grows to 1 at the end.
        lr: Learning rate.
        lr_schedule: Whether it falls to 0 at the end (``linear``), or stays (``constant``).
        eps: ε of Adam.
        clip_norm: The largest norm of a gradient; None clips nothing.
        batch_size: Steps of a minibatch.
        buffer_size: Steps that are kept, N of algorithm 1, in bytes of observations as they are.
        learning_starts: Steps by random actions before it learns.
        train_every: Steps of each environment between turns of learning.
        gradient_steps: Minibatches of a turn.
        block_steps: Steps of each environment in a batch of the fit, a multiple of `train_every`.
        target_every: Steps in environments between updates of the target network, C of algorithm 1.
        tau: How far it goes towards the network then; 1 copies.
        gamma: The discount rate γ.
        epsilon: The probability of an action by chance in the beginning.
        epsilon_end: What it falls to.
        epsilon_share: The share of the steps over which it falls.
        save_replay: Whether checkpoints hold what is replayed: without it they are small, and a fit
            that goes on begins to keep steps anew.
        seed: The key of initialisation, actions and minibatches.
        **options: Those of a learner.

    Raises:
        TlmlError: An option is out of range, actions are not numbered, or memory is short.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int = 50_000,
        network_options: dict[str, Any] | None = None,
        double: bool = False,
        dueling: bool = False,
        n_step: int = 1,
        priority_alpha: float | None = None,
        priority_beta: float = 0.4,
        lr: float = 2.3e-3,
        lr_schedule: Schedule = "constant",
        eps: float = 1e-8,
        clip_norm: float | None = 10.0,
        batch_size: int = 64,
        buffer_size: int = 100_000,
        learning_starts: int = 1_000,
        train_every: int = 256,
        gradient_steps: int = 128,
        block_steps: int | None = None,
        target_every: int = 10,
        tau: float = 1.0,
        gamma: float = 0.99,
        epsilon: float = 1.0,
        epsilon_end: float = 0.04,
        epsilon_share: float = 0.16,
        save_replay: bool = True,
        seed: int = 0,
        **options: Any,
    ) -> None:
        check_positive(eps=eps, clip_norm=clip_norm)
        check_choice("lr_schedule", lr_schedule, SCHEDULES)
        self.doubled, self.eps, self.clip_norm = double, eps, clip_norm
        self.lr_schedule: Schedule = lr_schedule
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, network_options=network_options,
            dueling=dueling, n_step=n_step, priority_alpha=priority_alpha,
            priority_beta=priority_beta, lr=lr, batch_size=batch_size, buffer_size=buffer_size,
            learning_starts=learning_starts, train_every=train_every,
            gradient_steps=gradient_steps, block_steps=block_steps, target_every=target_every,
            tau=tau, gamma=gamma, epsilon=epsilon, epsilon_end=epsilon_end,
            epsilon_share=epsilon_share, save_replay=save_replay, seed=seed, **options,
        )  # fmt: skip

    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn from the minibatches of a turn (the inner loop of algorithm 1, from step 4 on)."""
        self.follow_schedule()
        self.follow_target()
        optimizer, path = self.flat_optimizer(), self.path()
        steps, errors = _Arrays.of(transitions), np.empty(transitions.rewards.shape, np.float32)
        judged = self.judged(steps)
        worth = None if self.doubled else masked(judged, steps.next_allowed).max(-1)
        for g in range(len(errors)):
            best = self.best_worth(steps, judged, g) if worth is None else worth[g]
            wanted = steps.rewards[g] + steps.discount[g] * np.where(steps.terminated[g], 0.0, best)
            weights = None if steps.weights is None else steps.weights[g]
            seen = self.inputs.encode(steps.observations[g])
            errors[g] = path.slopes(seen, steps.actions[g], wanted, weights)
            self.add_terms(transitions)
            self.step(optimizer)
        if steps.weights is not None:
            self.replay.reprioritise(steps.rows, errors)
        return self._progress(errors, wanted)

    def judged(self, steps: _Arrays) -> NDArray[Any]:
        """Return Q̂(s', ·) ``[G, B, actions]``: the target network stays as it is for a turn."""
        # A step that is drawn several times is judged once.
        _, first, again = np.unique(steps.rows, return_index=True, return_inverse=True)
        after = steps.next_observations.reshape(-1, *steps.next_observations.shape[2:])[first]
        parts = np.array_split(after, -(-len(after) // _AT_ONCE))
        found = np.concatenate([self.path().targets(self.inputs.encode(one)) for one in parts])
        return found[again.reshape(steps.rows.shape)]

    def best_worth(self, steps: _Arrays, judged: NDArray[Any], g: int) -> NDArray[Any]:
        """Return Q̂(s', argmax_a' Q(s', a')) ``[B]`` of a minibatch, by the network of now."""
        after = self.path().values(self.inputs.encode(steps.next_observations[g]))
        allowed = None if steps.next_allowed is None else steps.next_allowed[g]
        best = masked(after, allowed).argmax(1)
        worth: NDArray[Any] = judged[g, np.arange(len(best)), best]
        return worth

    def _progress(self, errors: NDArray[Any], wanted: NDArray[Any]) -> dict[str, float]:
        away = np.abs(errors)
        loss = float(np.where(away < 1, 0.5 * away**2, away - 0.5).mean())
        if not np.isfinite(loss):
            raise DivergedError(
                f"{type(self).__name__}: the loss is {loss} after {int(self.env_steps)} steps; "
                "take a lower lr"
            )
        return {
            "loss": loss,
            "value": float((errors[-1] + wanted).mean()),
            "epsilon": float(self.chance(np.array(int(self.env_steps)))),
            "lr": self.flat_optimizer().param_groups[0]["lr"],
        }


class _Arrays(NamedTuple):
    """Steps of a turn ``[G, B, ...]``."""

    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[Any]
    next_observations: NDArray[Any]
    terminated: NDArray[Any]
    discount: NDArray[Any]
    next_allowed: NDArray[Any] | None
    weights: NDArray[Any] | None
    rows: NDArray[Any]

    @classmethod
    def of(cls, steps: Transitions) -> _Arrays:
        """Return the memory of tensors."""
        return cls._make(None if one is None else one.numpy() for one in steps)

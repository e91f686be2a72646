"""What agents with a policy and a critic share: how they act, and how they step down a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tlml import Strategy, TlmlError
from tlml.data import Rollout
from tlml.errors import DivergedError, check_choice, check_not_negative, check_positive
from tlml.views import ViewSpaces
from tlml_rl.base.actor_critic_learner import ActorCriticLearner
from tlml_rl.base.by_hand import AutogradPath, Path, lack, path_for
from tlml_rl.base.compiled_path import CompiledPath
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.flat_learner import SCHEDULES, FlatLearner, Schedule
from tlml_rl.base.normalise import ObservationScale, RewardScale
from tlml_rl.base.objective import Objective, Rows, Terms

BOXES = ("gaussian", "squashed")
_ORDER = 1  # what tells the draws of minibatches from those of actions


class PolicyLearner(FlatLearner, ActorCriticLearner):
    """An agent with an actor and a critic that learns from rollouts.

    An algorithm writes `update`, by `rows_of` what a rollout says and `step_down` an objective.
    How that is computed is chosen and named in the log: by hand for two perceptrons on a CPU, else
    by autograd.

    Args:
        network: ``auto`` (two perceptrons), a registered network or a class path or a module, whose
            features actor and critic share.
        strategy: What takes part in training, such as ``linear_probe``, which trains the head.
        network_options: Of ``auto``: ``hidden`` and ``activation``; else of the named network.
        gamma: The discount rate γ.
        gae_lambda: λ of advantages: 0 trusts the critic, 1 what came.
        lr: Learning rate.
        lr_schedule: Whether it falls to 0 at the end (``linear``), or stays (``constant``).
        eps: ε of Adam.
        entropy: Weight of the policy's entropy.
        value_weight: Weight of the critic's squared error.
        clip_norm: The largest norm of a gradient; None clips nothing.
        boxes: How actions in a Box are drawn: ``gaussian``, kept within it, or ``squashed`` to it.
        log_std: Where the logarithms of their standard deviations start.
        normalise_observations: Whether observations are brought to mean 0 and variance 1.
        normalise_rewards: Whether rewards are divided by the deviation of their discounted sums.
        compile: Compile the slopes of the loss where they can't be computed by hand; it takes some
            seconds for each size of a minibatch, and pays in long runs.
        seed: The key of initialisation and actions.
        spaces: Observations and actions as plain data, as checkpoints hold them.
        max_env_steps: Steps in environments, of all processes, after which a fit ends.
        rollout_steps: Steps of each environment in a rollout.

    Raises:
        TlmlError: An option is out of range, or the network does not fit.
    """

    computed = "actor and critic are"
    _path: Path | None = None
    _began = 0  # steps in environments before the rollout

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int,
        rollout_steps: int,
        network_options: dict[str, Any] | None = None,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        lr: float = 3e-4,
        lr_schedule: Schedule = "linear",
        eps: float = 1e-5,
        entropy: float = 0.0,
        value_weight: float = 0.5,
        clip_norm: float | None = 0.5,
        boxes: Literal["gaussian", "squashed"] = "gaussian",
        log_std: float = 0.0,
        normalise_observations: bool = False,
        normalise_rewards: bool = False,
        compile: bool = False,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        _check_shares(gamma=gamma, gae_lambda=gae_lambda)
        check_not_negative(value_weight=value_weight, entropy=entropy)
        check_positive(clip_norm=clip_norm, eps=eps)
        check_choice("lr_schedule", lr_schedule, SCHEDULES)
        check_choice("boxes", boxes, BOXES)
        self.gamma, self.gae_lambda, self.eps = gamma, gae_lambda, eps
        self.lr_schedule: Schedule = lr_schedule
        self.entropy, self.value_weight, self.clip_norm = entropy, value_weight, clip_norm
        self.boxes, self.log_std = boxes, log_std
        self.normalise_observations = normalise_observations
        self.normalise_rewards = normalise_rewards
        self.compiled = compile
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, rollout_steps=rollout_steps,
            network_options=network_options, lr=lr, seed=seed, spaces=spaces,
        )  # fmt: skip

    # Acting

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make what normalises."""
        super().prepare(spaces)
        self.observation_scale: ObservationScale | None = None
        self.reward_scale: RewardScale | None = None
        if self.normalise_observations:
            self.observation_scale = ObservationScale(self.inputs.space.shape)
        if self.normalise_rewards:
            self.reward_scale = RewardScale(self.gamma)

    def explorer(self, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Return how to draw actions in a rollout, by noise of all its steps."""
        self._began = int(self.env_steps)
        noise = iter(self.noise(steps, self.policy.noise))
        path, policy, stream = self.path(), self.policy, self.environments
        encode, log_std = self._encoder(), self._log_std()

        def explore(seen: NDArray[Any]) -> NDArray[Any]:
            outputs, allowed = path.outputs(encode(seen)), stream.allowed()
            if allowed is not None:
                outputs = policy.masked(outputs, allowed)
            return policy.choose(outputs, next(noise), log_std)

        return explore

    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the likeliest action for each observation."""
        return self.decide_among(observations, None)

    def decide_among(
        self, observations: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> NDArray[Any]:
        """Return the likeliest of the actions that are allowed for each observation."""
        outputs = self._reading_path().outputs(self._encoder()(observations))
        if allowed is not None:
            outputs = self.policy.masked(outputs, allowed)
        return self.policy.best(outputs)

    def performed(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return actions as environments take them: numbered as the space is, or in its Box."""
        return self.policy.to_env(actions)

    # Learning

    def rows_of(self, rollout: Rollout) -> tuple[Rows, Rollout, Tensor]:
        """Return what a rollout says, row by row, but for advantages and returns.

        Returns:
            Rows ``[T · N]`` with values and log-probabilities; the rollout with rewards as they are
            learned from; and the values of what each step led to ``[T, N]``.
        """
        self._take_in(rollout)
        if self.reward_scale is not None:
            rollout = rollout._replace(rewards=self.reward_scale.apply(rollout.rewards))
        steps, number = rollout.rewards.shape
        inputs = self._tensor(self._encoder()(_joined(rollout.observations).numpy()))
        actions = _joined(rollout.actions).to(self.device)
        masks = None if rollout.allowed is None else _joined(rollout.allowed).to(self.device)
        values, log_probs = self.path().judge(inputs, actions, masks)
        if rollout.successors is None:
            after = values[number:]
        else:
            led_to = self._tensor(self._encoder()(_joined(rollout.successors).numpy()))
            after, _ = self.path().judge(led_to, actions[:0], None)
        first, nothing = steps * number, torch.zeros_like(log_probs)
        rows = Rows(
            inputs[:first], actions, log_probs, nothing, nothing, values[:first], nothing, masks
        )  # fmt: skip
        rollout = rollout._replace(rewards=rollout.rewards.to(values.dtype))
        return rows, rollout, after.reshape(steps, number).cpu()

    def step_down(self, objective: Objective, rows: Rows, tell: bool = False) -> Terms:
        """Take a step of the optimiser down an objective on some rows, and return its parts.

        Args:
            objective: The loss.
            rows: Where.
            tell: Whether its parts are asked for; else they may be missing.

        Raises:
            DivergedError: The loss is not finite, where it is asked for.
        """
        terms = (self._path or self.path()).slopes(objective, rows, tell)
        if tell and not math.isfinite(terms.policy_loss + terms.value_loss):
            raise DivergedError(
                f"{type(self).__name__}: the loss is {terms.policy_loss} (policy) and "
                f"{terms.value_loss} (values) after {int(self.env_steps)} steps; take a lower lr"
            )
        self.add_terms(rows)
        self.step(self._own_optimizer or self.flat_optimizer())
        return terms

    def remaining(self) -> float:
        """Return the share of steps in environments that was left when the rollout began."""
        return max(0.0, 1.0 - self._began / self.max_env_steps)

    def draws(self) -> np.random.Generator:
        """Return the generator of the minibatches of the rollout; the same in all processes."""
        return np.random.default_rng([self.seed, int(self.rollouts), _ORDER])

    def choose_path(self, flat: FlatParameters) -> tuple[Path, str]:
        """Compute by hand where actor and critic are perceptrons on a CPU; else as asked for."""
        network = self.built()
        if not self.compiled or not (why := lack(network)):
            return path_for(network, self.policy, flat)
        buffers = [name for name, _ in network.named_buffers()]
        if buffers:
            path, _ = path_for(network, self.policy, flat)
            return path, f"its buffer {buffers[0]} changes, which no program may"
        return CompiledPath(network, self.policy, flat), why

    # Inside

    def _reading_path(self) -> Path:
        """Return how to compute outputs alone, without touching the parameters' memory."""
        if self.is_flat():
            assert self._path is not None
            return self._path
        return AutogradPath(self.built(), self.policy, None)

    def _encoder(self) -> Callable[[NDArray[Any]], NDArray[Any]]:
        encode, scale = self.inputs.encode, self.observation_scale
        if scale is not None:
            return lambda seen: scale.apply(encode(seen))
        # A rollout of images as floats would take four times the memory.
        bytes_stay = self._spaces().x.dtype == np.uint8 and self.built().reads_bytes
        return np.asarray if bytes_stay else encode

    def _take_in(self, rollout: Rollout) -> None:
        """Let rewards be on the scale that this rollout is part of."""
        if self.reward_scale is not None:
            places = self.environments.places
            total = len(places) * (1 if self._trainer is None else self.trainer.world_size)
            self.reward_scale.update_by(rollout, places[0].number, total)

    def take_in_observations(self, rollout: Rollout) -> None:
        """Let observations of the next rollout be on the scale that this one is part of."""
        if self.observation_scale is not None:
            seen = self.inputs.encode(_joined(rollout.observations[:-1]).numpy())
            self.observation_scale.update(seen[rollout.valid.reshape(-1).numpy()])

    def _log_std(self) -> NDArray[Any] | None:
        found = self.built().log_std
        return None if found is None else found.detach().cpu().numpy()


def _joined(rows: Tensor) -> Tensor:
    """Return ``[T, N, ...]`` as ``[T · N, ...]``."""
    return rows.reshape(-1, *rows.shape[2:])


def _check_shares(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise TlmlError(f"{name}: must be from 0 to 1, is {value}")

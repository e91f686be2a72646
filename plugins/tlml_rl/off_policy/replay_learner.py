"""What agents share that learn from replayed experience: acting and learning by turns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from tlml import EnvView, Strategy, TlmlError, View
from tlml.data import Transitions
from tlml.errors import OptionError, check_not_negative, check_positive
from tlml.learners import OffPolicy
from tlml.views import ViewSpaces
from tlml_rl.base.observing import Observing
from tlml_rl.base.stepping import Stepping
from tlml_rl.off_policy.replay import ReplayBuffer

_BLOCK = 64  # steps of a batch of the fit at least, which costs as much as some steps
_REPLAY = 2  # what tells the draws of minibatches from those of actions


class ReplayLearner(OffPolicy, Stepping, Observing):
    """An agent that keeps its latest steps, and learns from steps drawn out of them.

    It acts `train_every` steps and then learns by `gradient_steps` minibatches, all of which are
    drawn at once: by turns, until it took `block_steps` steps, which are a batch of the fit. An
    algorithm writes `choices`, the space of what it chooses; `update`, which learns from the
    minibatches of a turn ``[G, B, ...]``; and how it acts (`explorer`, `decide`), where `by_chance`
    tells which steps are to be random. A fit has one process.

    Args:
        network: As of `tlml.learners.NetworkLearner`.
        strategy: What takes part in training.
        max_env_steps: Steps in environments after which a fit ends.
        train_every: Steps of each environment between turns of learning.
        gradient_steps: Minibatches of a turn.
        block_steps: Steps of each environment in a batch of the fit, a multiple of `train_every`;
            None: the first one from 64 on.
        batch_size: Steps of a minibatch.
        buffer_size: Steps that are kept, over all environments; the end of an episode takes a
            place, too.
        learning_starts: Steps in environments, by random actions, before it learns.
        gamma: The discount rate γ.
        n_step: Rewards that are summed up before the value of what follows counts.
        priority_alpha: How far steps are drawn by their error, α; None: all alike.
        priority_beta: How far their weights make up for that, β, which grows to 1 at the end.
        save_replay: Whether checkpoints hold what is replayed, without which a fit that goes on
            begins to keep steps anew.
        network_options: Of the named network.
        lr: Learning rate.
        seed: The key of initialisation, actions and minibatches.
        spaces: Observations and actions as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range.
    """

    replay: ReplayBuffer

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int,
        train_every: int,
        gradient_steps: int,
        block_steps: int | None = None,
        batch_size: int = 64,
        buffer_size: int = 100_000,
        learning_starts: int = 1_000,
        gamma: float = 0.99,
        n_step: int = 1,
        priority_alpha: float | None = None,
        priority_beta: float = 0.4,
        save_replay: bool = True,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        check_positive(
            train_every=train_every, gradient_steps=gradient_steps, batch_size=batch_size,
            buffer_size=buffer_size, n_step=n_step, priority_alpha=priority_alpha,
        )  # fmt: skip
        check_not_negative(learning_starts=learning_starts)
        self.train_every, self.gradient_steps = train_every, gradient_steps
        self.batch_size, self.buffer_size = batch_size, buffer_size
        self.learning_starts, self.n_step = learning_starts, n_step
        self.priority_alpha, self.priority_beta = priority_alpha, priority_beta
        self.save_replay = save_replay
        block_steps = block_steps or -(-_BLOCK // train_every) * train_every
        self._check_sizes(max_env_steps, block_steps)
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, block_steps=block_steps, gamma=gamma,
            network_options=network_options, lr=lr, seed=seed, spaces=spaces,
        )  # fmt: skip

    @abstractmethod
    def choices(self, spaces: ViewSpaces) -> Space[Any]:
        """Return the space of what the agent chooses, as it is kept.

        Raises:
            TlmlError: It can't act so.
        """

    @abstractmethod
    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn from the minibatches of a turn ``[G, B, ...]``; return what is to be logged."""

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the memory."""
        super().prepare(spaces)
        self.replay = ReplayBuffer(
            self.buffer_size, spaces.x, self.choices(spaces), gamma=self.gamma,
            n_step=self.n_step, alpha=self.priority_alpha,
        )  # fmt: skip

    # Acting and learning

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Act and learn by turns, for a block of steps."""
        told: Mapping[str, Any] = {}
        for _ in range(self.block_steps // self.train_every):
            told = self.turn() or told
            if int(self.env_steps) >= self.max_env_steps:
                break
        if not told and "adapt" in vars(self):
            vars(self)["adapt"](batch)  # a strategy is asked in every batch, also before learning
        self.log_progress(told)
        self._stop_in_time()

    def turn(self) -> Mapping[str, Any]:
        """Act for some steps and keep them; then learn, once there are enough."""
        left = (self.max_env_steps - int(self.env_steps)) // len(self.environments)
        rollout = self.collect(min(self.train_every, max(left, 1)))
        self.replay.write(rollout, self.environments.allowed())
        if not self.ready():
            return {}
        return self.update(
            self.replay.draw(self.draws(), self.gradient_steps, self.batch_size, self.beta())
        )

    def ready(self) -> bool:
        """Say whether there are enough steps to learn from."""
        return self.replay.full or len(self.replay) >= max(self.learning_starts, 1)

    def by_chance(self, steps: int) -> NDArray[np.bool_]:
        """Return which of the coming steps ``[steps]`` come before learning: they are random."""
        taken = int(self.env_steps) + len(self.environments) * np.arange(steps)
        return taken < self.learning_starts

    def draws(self) -> np.random.Generator:
        """Return the generator of the minibatches of a turn."""
        return np.random.default_rng([self.seed, int(self.rollouts), _REPLAY])

    def beta(self) -> float:
        """Return β of now."""
        return self.priority_beta + (1 - self.priority_beta) * self.gone()

    def gone(self) -> float:
        """Return the share of steps in environments that were taken."""
        return min(1.0, int(self.env_steps) / self.max_env_steps)

    def begin_anew(self, max_env_steps: int) -> None:
        """Count steps from 0, and forget those of other tasks; what was learned stays."""
        super().begin_anew(max_env_steps)
        self.replay.clear()

    # Lightning's hooks

    def check(self, view: View) -> None:
        """Raise where several processes would learn, or where steps of all have no place."""
        super().check(view)
        assert isinstance(view, EnvView)
        _, processes = view.world()
        if processes > 1:
            raise TlmlError(
                f"{type(self).__name__}: {processes} processes would each replay what it has seen "
                "alone; take devices=1 and more environments"
            )
        if view.envs * 2 > self.buffer_size:
            raise TlmlError(
                f"buffer_size: {self.buffer_size} places are too few for {view.envs} environments"
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what is replayed, where it is not to be saved."""
        super().on_save_checkpoint(checkpoint)
        if not self.save_replay:
            for name in [name for name in checkpoint["state_dict"] if name.startswith("replay.")]:
                del checkpoint["state_dict"][name]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Begin to keep steps anew, where the checkpoint holds none."""
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["state_dict"]
        if not any(name.startswith("replay.") for name in state):
            self.replay.clear()
            state |= {f"replay.{name}": v for name, v in self.replay.state_dict().items()}
            rank_zero_info(f"{type(self).__name__}: the checkpoint holds nothing to replay")

    # Inside

    def _check_sizes(self, max_env_steps: int, block_steps: int) -> None:
        if not 0 <= self.priority_beta <= 1:
            raise OptionError(f"priority_beta: must be from 0 to 1, is {self.priority_beta}")
        if block_steps % self.train_every:
            raise OptionError(
                f"block_steps: {block_steps} is no multiple of train_every={self.train_every}"
            )
        if self.batch_size > self.buffer_size:
            raise OptionError(
                f"batch_size: {self.batch_size} steps are more than the {self.buffer_size} of "
                "buffer_size"
            )
        for name, most in (("max_env_steps", max_env_steps), ("buffer_size", self.buffer_size)):
            if self.learning_starts > most:
                raise OptionError(
                    f"learning_starts: {self.learning_starts} is more than {name}={most}: nothing "
                    "would be learned"
                )

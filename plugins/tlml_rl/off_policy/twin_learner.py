"""What agents share that choose numbers and judge them by two critics, from replayed steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

import tlml
from tlml import Strategy, TlmlError
from tlml.data import Transitions, describe_space
from tlml.errors import DivergedError, OptionError, check_positive
from tlml.registry import default_registry
from tlml.views import ViewSpaces
from tlml_rl.base.flat import FlatAdam, FlatParameters
from tlml_rl.base.policies import SquashedGaussian
from tlml_rl.off_policy.replay_learner import ReplayLearner
from tlml_rl.off_policy.twins import ActorTwins, actor_twins, check_named
from tlml_rl.off_policy.twins_by_hand import Regions, Targets, TwinPath, TwinsByAutograd, twins_path

Array = NDArray[Any]

_MOST = 1_000_000  # steps that are kept where nothing is said
_SMOOTHING = 3  # what tells the draws of an update from those of actions and of minibatches


class TwinLearner(ReplayLearner):
    """An agent with an actor and two critics, for actions in a Box.

    Actions are known as numbers from −1 to 1, which are the bounds of the Box. An algorithm writes
    `learn`, one gradient step; `drawn`, how to act in training; and `best`, without chance.

    Args:
        network: ``auto``, three perceptrons; or an `ActorTwins`.
        strategy: What takes part in training, such as ``linear_probe``, which trains the heads.
        max_env_steps: Steps in environments after which a fit ends.
        lr: Learning rate.
        network_options: Of ``auto``: ``hidden`` and ``activation``.
        eps: ε of Adam.
        batch_size: Steps of a minibatch.
        buffer_size: Steps that are kept; None: those of the whole fit, at most a million.
        learning_starts: Steps by random actions before it learns.
        train_every: Steps of each environment between turns of learning.
        gradient_steps: Minibatches of a turn.
        block_steps: Steps of each environment in a batch of the fit, a multiple of `train_every`.
        tau: How far the target networks go towards the networks where these are followed, τ.
        gamma: The discount rate γ.
        save_replay: Whether checkpoints hold what is replayed: without it they are small, and a fit
            that goes on begins to keep steps anew.
        seed: The key of initialisation, actions and minibatches.
        spaces: Observations and actions as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, actions are not in a Box with bounds, or memory is
            short.

    Attributes:
        target_critics: The critics' parameters as they were before, a registered buffer ``[P]``.
        target_actor: The actor's likewise, where the algorithm has one.
    """

    has_target_actor: ClassVar[bool] = False
    per_action: ClassVar[int] = 1  # numbers that the policy needs for each of an action
    target_critics: Tensor
    target_actor: Tensor
    _policy: SquashedGaussian | None = None
    _path: TwinPath | None = None
    _regions: Regions | None = None
    _optimizers: tuple[FlatAdam, ...] = ()
    _drawn: Transitions | None = None

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int,
        lr: float,
        network_options: dict[str, Any] | None = None,
        eps: float = 1e-8,
        batch_size: int = 256,
        buffer_size: int | None = None,
        learning_starts: int = 100,
        train_every: int = 1,
        gradient_steps: int = 1,
        block_steps: int | None = None,
        tau: float = 0.005,
        gamma: float = 0.99,
        save_replay: bool = True,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        check_positive(eps=eps, tau=tau, max_env_steps=max_env_steps)
        if tau > 1:
            raise OptionError(f"tau: must be from 0 to 1, is {tau}")
        if isinstance(network, str):
            check_named(network, network_options or {})
        self.tau, self.eps = tau, eps
        size = min(max_env_steps, _MOST) if buffer_size is None else buffer_size
        if buffer_size is None and batch_size > size:
            raise OptionError(
                f"max_env_steps: {max_env_steps} steps are fewer than the {batch_size} of "
                "batch_size"
            )
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, network_options=network_options, lr=lr,
            batch_size=batch_size, buffer_size=size, learning_starts=learning_starts,
            train_every=train_every, gradient_steps=gradient_steps, block_steps=block_steps,
            gamma=gamma, save_replay=save_replay, seed=seed, spaces=spaces,
        )  # fmt: skip

    @property
    def policy(self) -> SquashedGaussian:
        """What actions from −1 to 1 are in the Box."""
        if self._policy is None:
            self._policy = SquashedGaussian(self._box(self._spaces().y))
        return self._policy

    @property
    def head(self) -> nn.Module:
        """The network's last layers, where strategies look for them."""
        return self.built().head

    def built(self) -> ActorTwins:
        """Return the network."""
        network = super().built()
        assert isinstance(network, ActorTwins)
        return network

    def choices(self, spaces: ViewSpaces) -> Space[Any]:
        """Return numbers from −1 to 1."""
        return Box(-1.0, 1.0, (SquashedGaussian(self._box(spaces.y)).size,), np.float32)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the memory and the target networks."""
        super().prepare(spaces)
        for name, parameters in self._followed():
            self.register_buffer(name, parameters_to_vector(parameters).detach().clone())

    # What an algorithm writes

    @abstractmethod
    def drawn(self, outputs: Array, noise: Array) -> Array:
        """Return actions ``[n, a]`` for training, by outputs of the actor and normal noise."""

    @abstractmethod
    def best(self, outputs: Array) -> Array:
        """Return actions ``[n, a]`` without chance."""

    @abstractmethod
    def learn(self, minibatch: Minibatch, noise: Array) -> dict[str, float]:
        """Take one gradient step, by normal noise ``[2, B, a]``; return what is to be logged."""

    # Acting

    def explorer(self, steps: int) -> Callable[[Array], Array]:
        """Return how to act in coming steps, the first of all of which are by chance alone."""
        size, path, encode = self.policy.size, self.path(), self.inputs.encode
        both = self.noise(steps, lambda rng, n: _both(rng, n, size))
        coming = iter(zip(both, self.by_chance(steps), strict=True))

        def act(seen: Array) -> Array:
            numbers, by_chance = next(coming)
            if by_chance:
                anything: Array = numbers[:, size:]
                return anything
            return self.drawn(path.outputs(encode(seen)), numbers[:, :size])

        return act

    def decide(self, observations: Array) -> Array:
        """Return the best action for each observation."""
        path = self._path if self._is_flat() else TwinsByAutograd(self.built(), self._targets())
        assert path is not None
        return self.best(path.outputs(self.inputs.encode(observations)))

    def performed(self, actions: Array) -> Array:
        """Return actions as environments take them, in their Box."""
        return self.policy.to_env(actions)

    # Learning

    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        """Learn from the minibatches of a turn, one after the other."""
        self.optimizers_of()
        self._drawn = transitions
        turns = Minibatch.each(transitions, self.inputs.encode)
        rng = np.random.default_rng([self.seed, int(self.rollouts), _SMOOTHING])
        shape = (len(transitions.rewards), 2, *transitions.actions.shape[1:])
        told: dict[str, float] = {}
        with np.errstate(all="ignore"):  # what is not finite is said below
            for minibatch, noise in zip(turns, rng.standard_normal(shape, np.float32), strict=True):
                told = self.learn(minibatch, noise)
        if not np.isfinite(told["critic_loss"]):
            raise DivergedError(
                f"{type(self).__name__}: the critics' loss is {told['critic_loss']} after "
                f"{int(self.env_steps)} steps; take a lower lr"
            )
        return told

    def path(self) -> TwinPath:
        """Return how the networks are computed in training."""
        if not self._is_flat():
            network = self.built()
            self._regions = Regions.of(network)
            self._path, why = twins_path(network, self._targets(), self._regions)
            name = default_registry().name_of(type(self))
            how = self._path.name if self._path.name.startswith("by") else f"by {self._path.name}"
            rank_zero_info(f"{name}: actor and critics are computed {how}: {why}")
        assert self._path is not None
        return self._path

    def step_on(self, optimizer: FlatAdam) -> None:
        """Take a step by the gradients that a path has written, and a strategy adds to."""
        self.add_terms(self._drawn)
        self.step(optimizer)

    def follow(self) -> None:
        """Let the target networks follow."""
        assert self._regions is not None
        self.target_critics.lerp_(self._regions.critics.values, self.tau)
        if self.has_target_actor:
            self.target_actor.lerp_(self._regions.actor.values, self.tau)

    def optimizers_of(self) -> tuple[FlatAdam, ...]:
        """Return the optimisers of actor, critics and, where there is one, α."""
        if not self._optimizers or not all(one.flat.intact() for one in self._optimizers):
            self._make_optimizers()
        return self._optimizers

    def configure_optimizers(self) -> Any:
        """Let parameters share a memory for each optimiser, and make Adam on it."""
        self._make_optimizers()
        return list(self._optimizers)

    def on_train_start(self) -> None:
        """Choose how to compute, and begin with targets that are what a strategy has made."""
        super().on_train_start()
        self.path()
        if int(self.env_steps) == 0:
            for name, parameters in self._followed():
                getattr(self, name).copy_(parameters_to_vector(parameters).detach())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what shares memory: a copy makes its own."""
        left_out = {"_path": None, "_regions": None, "_optimizers": (), "_drawn": None}
        return {**super().__getstate__(), **left_out}

    # Inside

    def _is_flat(self) -> bool:
        return self._path is not None and self._regions is not None and self._regions.intact()

    def _targets(self) -> Targets:
        return Targets(self.target_critics, self.target_actor if self.has_target_actor else None)

    def _followed(self) -> list[tuple[str, Any]]:
        network = self.built()
        found = [("target_critics", network.of_critics())]
        return [*found, ("target_actor", network.of_actor())] if self.has_target_actor else found

    def _make_optimizers(self) -> None:
        self.path()
        assert self._regions is not None
        self._optimizers = tuple(self._made_for(region) for region in self._regions if region)

    def _made_for(self, region: FlatParameters) -> FlatAdam:
        network = self.built()
        groups = tlml.param_groups(network, self.strategy) if self.strategy.max_steps else None
        if groups is not None:
            here = set(map(id, region.parameters))
            groups = [
                {**group, "params": [p for p in group["params"] if id(p) in here]}
                for group in groups
            ]
            groups = [group for group in groups if group["params"]]
        made = FlatAdam(region, groups or None, lr=self.lr, eps=self.eps)
        for group in made.param_groups:
            group["lr"] = self.lr
        return made

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        box = SquashedGaussian(self._box(spaces.y))
        return actor_twins(
            self.inputs.space, box.size, self.per_action * box.size, seed=self.seed,
            temperature=self._temperature(), **(self._network_options or {}),
        )  # fmt: skip

    def _temperature(self) -> float | None:
        """Return where α starts, where it is learned."""
        return None

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        network, size = self.built(), self.policy.size
        like = network.head.policy.weight
        x = torch.zeros((2, *self.inputs.space.shape)).to(like)
        with torch.no_grad():
            outputs, values = network(x), network.values(x, x.new_zeros(2, size))
        if outputs.shape != (2, self.per_action * size) or values.shape != (2, 2):
            raise TlmlError(
                f"{type(self).__name__}: the network gives {list(outputs.shape)} and values "
                f"{list(values.shape)} for 2 observations; it needs {self.per_action * size} "
                "outputs and two values each"
            )

    def _box(self, space: Space[Any]) -> Box:
        if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
            raise TlmlError(
                f"{type(self).__name__}: it chooses numbers in a Box, and actions are "
                f"{describe_space(space)}; take a learner of such actions, such as ppo or dqn"
            )
        return space


class Minibatch:
    """Steps ``[B, ...]`` as networks take them.

    Args:
        seen: What was acted on.
        actions: What was done, from −1 to 1.
        rewards: What was earned.
        after: What followed.
        worth: What the value of what followed counts for: 0 where an episode ended.
    """

    def __init__(
        self, seen: Array, actions: Array, rewards: Array, after: Array, worth: Array
    ) -> None:
        self.seen, self.actions, self.rewards = seen, actions, rewards
        self.after, self.worth = after, worth

    @classmethod
    def each(cls, steps: Transitions, encode: Callable[[Array], Array]) -> list[Minibatch]:
        """Return the minibatches of steps ``[G, B, ...]``."""
        worth = np.where(steps.terminated.numpy(), 0.0, steps.discount.numpy()).astype(np.float32)
        return [
            cls(
                encode(steps.observations[g].numpy()), steps.actions[g].numpy(),
                steps.rewards[g].numpy(), encode(steps.next_observations[g].numpy()), worth[g],
            )
            for g in range(len(worth))
        ]  # fmt: skip


def _both(rng: np.random.Generator, steps: int, size: int) -> Array:
    """Draw normal numbers, and beside them as many from −1 to 1 ``[steps, 2 · size]``."""
    normal = rng.standard_normal((steps, size), np.float32)
    return np.concatenate([normal, rng.uniform(-1, 1, (steps, size)).astype(np.float32)], 1)

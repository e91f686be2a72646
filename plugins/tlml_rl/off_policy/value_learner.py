"""What agents share that value actions: the network, its target, and acting by chance at times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray
from torch import nn

from tlml import TlmlError
from tlml.data import describe_space
from tlml.errors import OptionError, check_positive
from tlml.views import ViewSpaces
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.flat_learner import FlatLearner
from tlml_rl.off_policy.replay_learner import ReplayLearner
from tlml_rl.off_policy.target import Target
from tlml_rl.off_policy.values import named_values, value_features
from tlml_rl.off_policy.values_by_hand import ValuePath, ValuesByAutograd, value_path

Array = NDArray[Any]


class ValueLearner(FlatLearner, ReplayLearner):
    """An agent whose network gives a value for each of numbered actions.

    It takes the best action it knows, and any with probability ε, which falls along a line from
    `epsilon` to `epsilon_end` over the first `epsilon_share` of all steps.

    Args:
        dueling: Whether the head tells a state's value from the advantages of actions.
        target_every: Steps in environments between updates of the target network.
        tau: How far it goes towards the network then; 1 copies.
        epsilon: The probability of an action by chance in the beginning.
        epsilon_end: What it falls to.
        epsilon_share: The share of the steps over which it falls.
        **options: Those of `ReplayLearner`.

    Raises:
        TlmlError: An option is out of range, or actions are not numbered.

    Attributes:
        target: The network as it was before.
    """

    computed = "values are"
    target: Target
    _path: ValuePath | None = None

    def __init__(
        self, *args: Any, dueling: bool, target_every: int, tau: float, epsilon: float,
        epsilon_end: float, epsilon_share: float, **options: Any,
    ) -> None:  # fmt: skip
        check_positive(target_every=target_every, tau=tau)
        shares = {
            "tau": tau, "epsilon": epsilon, "epsilon_end": epsilon_end,
            "epsilon_share": epsilon_share,
        }  # fmt: skip
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise OptionError(f"{name}: must be from 0 to 1, is {share}")
        self.dueling, self.target_every, self.tau = dueling, target_every, tau
        self.epsilon, self.epsilon_end, self.epsilon_share = epsilon, epsilon_end, epsilon_share
        super().__init__(*args, **options)

    @property
    def head(self) -> nn.Module:
        """The network's last layers, where strategies look for them."""
        found: Any = self.built().head
        return found  # type: ignore[no-any-return]

    def choices(self, spaces: ViewSpaces) -> Discrete:
        """Return actions numbered from 0."""
        return Discrete(_numbered(type(self).__name__, spaces.y).n)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the memory and the target network."""
        super().prepare(spaces)
        self.target = Target(self.built())

    # Acting

    def chance(self, steps: NDArray[Any]) -> NDArray[np.float64]:
        """Return ε after so many steps in environments; 1 before learning starts."""
        length = self.epsilon_share * self.max_env_steps
        gone = np.minimum(steps / length, 1.0) if length else np.ones(np.shape(steps))
        falling = self.epsilon + (self.epsilon_end - self.epsilon) * gone
        return np.where(steps < self.learning_starts, 1.0, falling)

    def explorer(self, steps: int) -> Callable[[Array], Array]:
        """Return how to act in coming steps: by numbers that are drawn for all of them."""
        number, path, stream = self._actions(), self.path(), self.environments
        drawn = self.noise(steps, lambda rng, n: rng.random((n, 1 + number)))
        at = int(self.env_steps) + len(stream) * np.arange(steps)
        coming = iter(zip(drawn[..., 0] < self.chance(at)[:, None], drawn[..., 1:], strict=True))
        encode = self.inputs.encode

        def act(seen: Array) -> Array:
            by_chance, numbers = next(coming)
            values = numbers
            if not by_chance.all():
                values = np.where(by_chance[:, None], numbers, path.values(encode(seen)))
            return _best(values, stream.allowed())

        return act

    def decide(self, observations: Array) -> Array:
        """Return the action of the largest value for each observation."""
        return self.decide_among(observations, None)

    def decide_among(self, observations: Array, allowed: NDArray[np.bool_] | None) -> Array:
        """Return the action of the largest value, of those that are allowed."""
        path = self._path if self.is_flat() else ValuesByAutograd(self.built(), self.target)
        assert path is not None
        return _best(path.values(self.inputs.encode(observations)), allowed)

    def performed(self, actions: Array) -> Array:
        """Return actions as environments number them."""
        start: Array = actions + int(self._spaces().y.start)  # type: ignore[attr-defined]
        return start

    # Learning

    def choose_path(self, flat: FlatParameters) -> tuple[ValuePath, str]:
        """Compute by hand where the network is a perceptron on a CPU."""
        return value_path(self.built(), self.target, flat)

    def remaining(self) -> float:
        """Return the share of steps in environments that is left."""
        return 1.0 - self.gone()

    def turn(self) -> Any:
        """Act and learn; in between, the target network follows."""
        self._before = int(self.env_steps)
        return super().turn()

    def follow_target(self) -> None:
        """Bring the target network nearer, as often as steps since the last turn tell."""
        times = int(self.env_steps) // self.target_every - self._before // self.target_every
        if times:
            self.target.follow(self.built(), 1 - (1 - self.tau) ** times)

    def on_train_start(self) -> None:
        """Begin with a target network that is the network, as a strategy has made it."""
        super().on_train_start()
        if int(self.env_steps) == 0:
            self.target.follow(self.built())

    # Inside

    _before = 0  # steps in environments when the turn began

    def _actions(self) -> int:
        return int(self.choices(self._spaces()).n)

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        number, options = int(self.choices(spaces).n), self._network_options or {}
        space = self.inputs.space
        return named_values(self._named, space, number, options, self.dueling, self.seed)

    def _completed(self, network: nn.Module) -> nn.Module:
        return value_features(network, self._actions(), self.dueling, self.seed)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        number, like = self._actions(), next(self.built().parameters())
        with torch.no_grad():
            found = self.built()(torch.zeros((2, *self.inputs.space.shape)).to(like))
        if found.shape != (2, number):
            raise TlmlError(
                f"{type(self).__name__}: the network gives {list(found.shape)} for 2 observations; "
                f"{number} actions need a value each"
            )


def masked(values: Array, allowed: NDArray[np.bool_] | None) -> Array:
    """Return values that are −∞ where an action can't be chosen."""
    return values if allowed is None else np.where(allowed, values, -np.inf)


def _best(values: Array, allowed: NDArray[np.bool_] | None) -> Array:
    best: Array = masked(values, allowed).argmax(-1)
    return best


def _numbered(name: str, space: Space[Any]) -> Discrete:
    if not isinstance(space, Discrete):
        others = "ppo, sac or td3" if isinstance(space, Box) else "ppo"
        raise TlmlError(
            f"{name}: it values numbered actions, and these are {describe_space(space)}; take a "
            f"learner of such actions, such as {others}"
        )
    return space

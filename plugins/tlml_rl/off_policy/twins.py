"""The network of an agent that chooses numbers: an actor, and two critics of what it does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from tlml import TlmlError
from tlml.networks import seeded_draws
from tlml_rl.base.perceptron import Perceptron, check_auto, layer_sizes


class TwinHead(nn.Module):
    """The last layers, which strategies call the head: the actor's, and one of each critic.

    Args:
        features: Numbers that the actor and each critic give.
        outputs: Numbers that the policy needs.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.policy = nn.Linear(features, outputs)
        self.values = nn.ModuleList(nn.Linear(features, 1) for _ in range(2))


class ActorTwins(nn.Module):
    """Maps observations to what a policy is made of, and these with actions to two values.

    Args:
        actor: Maps observations ``[n, o]`` to features.
        critics: Two, each of which maps observations and actions ``[n, o + a]`` to features.
        head: The last layers of all three.
        temperature: Where α starts, whose logarithm is a parameter; None: there is none.
    """

    def __init__(
        self, actor: Perceptron, critics: Sequence[Perceptron], head: TwinHead,
        temperature: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.actor, self.critics, self.head = actor, nn.ModuleList(critics), head
        self._first = temperature
        self.log_alpha: nn.Parameter | None = None
        if temperature is not None:
            self.log_alpha = nn.Parameter(torch.full((), math.log(temperature)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the policy's outputs ``[n, outputs]``."""
        found: Tensor = self.head.policy(self.actor(x))
        return found

    def values(self, x: Tensor, actions: Tensor) -> Tensor:
        """Return both values ``[2, n]`` of actions ``[n, a]``."""
        joined = torch.cat([x.flatten(1), actions], 1)
        pairs = zip(self.head.values, self.critics, strict=True)
        return torch.stack([last(critic(joined))[:, 0] for last, critic in pairs])

    def of_actor(self) -> Iterator[nn.Parameter]:
        """Yield the actor's parameters."""
        yield from self.actor.parameters()
        yield from self.head.policy.parameters()

    def of_critics(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of both critics."""
        yield from self.critics.parameters()
        yield from self.head.values.parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise all layers anew, as torch does, and α."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        if self.log_alpha is not None and self._first is not None:
            self.log_alpha.fill_(math.log(self._first))


def actor_twins(
    space: Box, actions: int, outputs: int, *, hidden: Sequence[int] = (256, 256),
    activation: str = "relu", temperature: float | None = None, seed: int = 0,
) -> ActorTwins:  # fmt: skip
    """Build three perceptrons over flattened inputs.

    Args:
        space: Of inputs.
        actions: Numbers of an action.
        outputs: Numbers that the policy needs.
        hidden: Units of each hidden layer.
        activation: ``tanh`` or ``relu``.
        temperature: As of `ActorTwins`.
        seed: The key of the initialisation.

    Raises:
        TlmlError: An option is out of range.
    """
    seen, *units = layer_sizes(space, hidden)
    with seeded_draws(seed):
        actor = Perceptron((seen, *units), activation)
        critics = [Perceptron((seen + actions, *units), activation) for _ in range(2)]
        made = ActorTwins(actor, critics, TwinHead(units[-1], outputs), temperature)
        made.reset_parameters()
    return made


def check_named(name: str, options: dict[str, object]) -> None:
    """Raise where a network is asked for that there is none of.

    Raises:
        TlmlError: It is not ``auto``, or has another option than that.
    """
    if name != "auto":
        raise TlmlError(
            f"network: '{name}' has no critics of actions that are numbers; take 'auto', three "
            "perceptrons, or an ActorTwins of your own"
        )
    check_auto(options)

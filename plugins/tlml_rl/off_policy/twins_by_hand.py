"""An actor and two critics: what they give and slopes of it, by hand or by autograd.

Both ways are asked for the parts of an update: an algorithm says what the slopes of its losses are
by what the networks give, and these take them on to parameters, or to actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.perceptron import by_hand_lack
from tlml_rl.off_policy.twins import ActorTwins

Array = NDArray[Any]

_KEPT = 8  # sizes of batches that there is room for at a time


class Regions(NamedTuple):
    """Parameters that are stepped apart, each in a memory of its own."""

    actor: FlatParameters
    critics: FlatParameters
    alpha: FlatParameters | None

    @classmethod
    def of(cls, network: ActorTwins) -> Regions:
        """Let the parameters of a network share three memories."""
        alpha = None if network.log_alpha is None else FlatParameters([network.log_alpha])
        return cls(FlatParameters(network.of_actor()), FlatParameters(network.of_critics()), alpha)

    def intact(self) -> bool:
        """Say whether all parameters still lie there."""
        return all(region is None or region.intact() for region in self)


class Targets(NamedTuple):
    """Parameters as they were before, in a row ``[P]`` each."""

    critics: Tensor
    actor: Tensor | None


class TwinPath(Protocol):
    """A way to compute what an actor and two critics give, and where slopes of it lead."""

    name: str

    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs ``[n, outputs]``, from which `actor_slopes` goes back."""

    def values(self, inputs: Array, actions: Array) -> Array:
        """Return both values ``[2, n]``, from which the next two go back."""

    def critic_slopes(self, by_values: Array) -> None:
        """Write a loss's gradient into that of the critics, by slopes ``[2, n]`` of values."""

    def action_slopes(self, by_values: Array) -> Array:
        """Return a loss's slopes by actions ``[n, a]``, by those of values."""

    def actor_slopes(self, by_outputs: Array) -> None:
        """Write a loss's gradient into that of the actor, by slopes of the latest outputs."""

    def target_values(self, inputs: Array, actions: Array) -> Array:
        """Return both values ``[2, n]`` by the target critics."""

    def target_outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs by the target actor."""


class TwinsByAutograd:
    """On any device.

    Args:
        network: The actor and the critics.
        targets: They as they were before.
        regions: Their parameters; None: to act alone.
    """

    name = "autograd"

    def __init__(
        self, network: ActorTwins, targets: Targets, regions: Regions | None = None
    ) -> None:
        self.network, self.targets, self.regions = network, targets, regions
        self._like = network.head.policy.weight
        self._outputs = self._values = self._actions = self._like.new_zeros(0)

    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs."""
        with torch.set_grad_enabled(self.regions is not None):
            self._outputs = self.network(self._tensor(inputs))
        return _array(self._outputs)

    def values(self, inputs: Array, actions: Array) -> Array:
        """Return both values."""
        self._actions = self._tensor(actions).requires_grad_()
        with torch.enable_grad():
            self._values = self.network.values(self._tensor(inputs), self._actions)
        return _array(self._values)

    def critic_slopes(self, by_values: Array) -> None:
        """Go back through the graph to the critics."""
        assert self.regions is not None
        self._back(self.regions.critics, self._values, by_values)

    def action_slopes(self, by_values: Array) -> Array:
        """Go back through the graph to actions."""
        by = self._tensor(by_values)
        return _array(torch.autograd.grad(self._values, self._actions, by)[0])

    def actor_slopes(self, by_outputs: Array) -> None:
        """Go back through the graph to the actor."""
        assert self.regions is not None
        self._back(self.regions.actor, self._outputs, by_outputs)

    @torch.no_grad()
    def target_values(self, inputs: Array, actions: Array) -> Array:
        """Return both values by the target critics."""
        then = _named(self.network, self.network.of_critics(), self.targets.critics)
        given = self._tensor(inputs), self._tensor(actions)
        call, named = _Values(self.network), {f"network.{name}": v for name, v in then.items()}
        return _array(functional_call(call, named, given))

    @torch.no_grad()
    def target_outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs by the target actor."""
        assert self.targets.actor is not None
        then = _named(self.network, self.network.of_actor(), self.targets.actor)
        return _array(functional_call(self.network, then, (self._tensor(inputs),)))

    def _back(self, region: FlatParameters, found: Tensor, by: Array) -> None:
        region.gradients.zero_()
        region.attach()
        learning = [p for p in region.parameters if p.requires_grad]
        if learning:
            torch.autograd.backward(found, self._tensor(by), inputs=learning)

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._like)


class TwinsByHand:
    """Perceptrons on a CPU, in NumPy on the memory of their parameters.

    Critics have no slopes of parameters where the actor learns, which autograd would compute.

    Args:
        network: Of which `twins_lack` finds nothing wrong.
        targets: It as it was before.
        regions: Its parameters.
    """

    name = "by hand"

    def __init__(self, network: ActorTwins, targets: Targets, regions: Regions) -> None:
        self.regions = regions
        actor = [(network.actor, network.head.policy)]
        critics = list(zip(network.critics, network.head.values, strict=True))
        (self._actor,) = _perceptrons(actor, regions.actor, regions.actor.values)
        self._critics = _perceptrons(critics, regions.critics, regions.critics.values)
        self._target_critics = _perceptrons(critics, regions.critics, targets.critics)
        self._target_actor: list[_Rows] = []
        if targets.actor is not None:
            self._target_actor = _perceptrons(actor, regions.actor, targets.actor)

    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs."""
        return self._actor.forward(self._joined(inputs))

    def values(self, inputs: Array, actions: Array) -> Array:
        """Return both values."""
        joined = self._joined(inputs, actions)
        self._width = actions.shape[1]
        return np.stack([critic.forward(joined)[:, 0] for critic in self._critics])

    def critic_slopes(self, by_values: Array) -> None:
        """Go back to the critics' parameters."""
        self.regions.critics.attach()
        for critic, by in zip(self._critics, by_values, strict=True):
            critic.to_parameters(np.ascontiguousarray(by[:, None]))

    def action_slopes(self, by_values: Array) -> Array:
        """Go back to actions, through those rows of each critic that have slopes."""
        found = np.zeros((by_values.shape[1], self._width), by_values.dtype)
        for critic, by in zip(self._critics, by_values, strict=True):
            rows = np.flatnonzero(by)
            if len(rows):
                found[rows] += critic.to_inputs(by[rows, None], rows)[:, -self._width :]
        return found

    def actor_slopes(self, by_outputs: Array) -> None:
        """Go back to the actor's parameters."""
        self.regions.actor.attach()
        self._actor.to_parameters(by_outputs)

    def target_values(self, inputs: Array, actions: Array) -> Array:
        """Return both values by the target critics."""
        joined = self._joined(inputs, actions)
        return np.stack([critic.forward(joined)[:, 0] for critic in self._target_critics])

    def target_outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs by the target actor."""
        (actor,) = self._target_actor
        return actor.forward(self._joined(inputs))

    def _joined(self, *parts: Array) -> Array:
        """Return rows in the precision of the parameters, side by side."""
        dtype = self._actor.last.weight.dtype
        rows = [np.asarray(part.reshape(len(part), -1), dtype) for part in parts]
        return rows[0] if len(rows) == 1 else np.concatenate(rows, 1)


class _Linear(NamedTuple):
    """A linear layer: memory of its parameters, and of their gradients."""

    weight: Array
    bias: Array
    by_weight: Array
    by_bias: Array


class _Rows:
    """A perceptron on rows ``[n, units]``, that remembers what it was given last.

    Args:
        body: Its hidden layers.
        last: Its last one.
        tanh: Whether it has tanh, instead of relu.
    """

    def __init__(self, body: list[_Linear], last: _Linear, tanh: bool) -> None:
        self.body, self.last, self.tanh = body, last, tanh
        self._rooms: dict[int, list[Array]] = {}
        self._given: list[Array] = []

    def forward(self, rows: Array) -> Array:
        """Return outputs ``[n, outputs]``."""
        self._given = [rows]
        for layer, room in zip(self.body, self._room(len(rows)), strict=True):
            np.matmul(rows, layer.weight.T, out=room)
            room += layer.bias
            np.tanh(room, out=room) if self.tanh else np.maximum(room, 0, out=room)
            self._given.append(rows := room)
        found: Array = rows @ self.last.weight.T
        found += self.last.bias
        return found

    def to_parameters(self, by: Array) -> None:
        """Write gradients, by slopes ``[n, outputs]`` of the latest outputs."""
        layers = [*self.body, self.last]
        for depth in range(len(layers) - 1, -1, -1):
            layer, given = layers[depth], self._given[depth]
            np.matmul(by.T, given, out=layer.by_weight)
            np.sum(by, 0, out=layer.by_bias)
            if depth:
                by = self._before(by @ layer.weight, given)

    def to_inputs(self, by: Array, rows: Array) -> Array:
        """Return slopes by some rows of the inputs, by those of their outputs."""
        layers = [*self.body, self.last]
        for depth in range(len(layers) - 1, 0, -1):
            by = self._before(by @ layers[depth].weight, self._given[depth][rows])
        found: Array = by @ layers[0].weight
        return found

    def _before(self, by: Array, activated: Array) -> Array:
        """Return slopes by what was activated."""
        by *= 1 - activated * activated if self.tanh else activated > 0
        return by

    def _room(self, rows: int) -> list[Array]:
        """Return memory for activations; it is made once, as its pages cost time."""
        if rows not in self._rooms:
            if len(self._rooms) == _KEPT:
                self._rooms.clear()
            dtype = self.last.weight.dtype
            self._rooms[rows] = [np.empty((rows, len(layer.bias)), dtype) for layer in self.body]
        return self._rooms[rows]


def _perceptrons(pairs: Sequence[Any], region: FlatParameters, memory: Tensor) -> list[_Rows]:
    """Return perceptrons, each a body and its last layer, whose parameters lie in a memory."""
    values = dict(zip(map(id, region.parameters), region.views(memory), strict=True))
    slopes = dict(zip(map(id, region.parameters), region.views(region.gradients), strict=True))

    def layer(linear: nn.Linear) -> _Linear:
        pair = linear.weight, linear.bias
        found = [*(values[id(p)] for p in pair), *(slopes[id(p)] for p in pair)]
        return _Linear(*(tensor.detach().numpy() for tensor in found))

    return [
        _Rows([layer(one) for one in body.linear()], layer(last), isinstance(body[2], nn.Tanh))
        for body, last in pairs
    ]


def twins_path(network: ActorTwins, targets: Targets, regions: Regions) -> tuple[TwinPath, str]:
    """Return the fastest path that is right, and why it is taken."""
    why = twins_lack(network)
    if why:
        return TwinsByAutograd(network, targets, regions), why
    return TwinsByHand(network, targets, regions), "they are perceptrons"


def twins_lack(network: ActorTwins) -> str:
    """Return why a network can't be computed by hand; empty where it can."""
    bodies = (network.actor, *network.critics)
    return by_hand_lack(network, bodies, "actor and critics are no perceptrons")


class _Values(nn.Module):
    """The critics as what a functional call runs."""

    def __init__(self, network: ActorTwins) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, actions: Tensor) -> Tensor:
        """Return both values."""
        return self.network.values(x, actions)


def _named(
    network: nn.Module, parameters: Iterator[nn.Parameter], row: Tensor
) -> dict[str, Tensor]:
    """Return the parts of a row ``[P]`` by the names of the parameters that they stand for."""
    names, place = {id(p): name for name, p in network.named_parameters()}, 0
    found = {}
    for parameter in parameters:
        found[names[id(parameter)]] = row[place : place + parameter.numel()].view_as(parameter)
        place += parameter.numel()
    return found


def _array(tensor: Tensor) -> Array:
    found: Array = tensor.detach().cpu().numpy()
    return found

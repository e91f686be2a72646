"""Values of actions, and the slopes of their errors, by hand or by autograd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tlml_rl.base.by_hand import Layer
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.perceptron import Perceptron, by_hand_lack
from tlml_rl.off_policy.target import Target
from tlml_rl.off_policy.values import ValueNetwork

Array = NDArray[Any]

_NONE = torch.zeros(0)  # gradients of what has none
_KEPT = 8  # sizes of batches that there is room for at a time


class ValuePath(Protocol):
    """A way to compute values, and the slopes of their errors."""

    name: str

    def values(self, inputs: Array) -> Array:
        """Return the network's values ``[n, actions]``; the next call may overwrite them."""

    def targets(self, inputs: Array) -> Array:
        """Return those of the target network, likewise."""

    def slopes(self, inputs: Array, actions: Array, wanted: Array, weights: Array | None) -> Array:
        """Write the gradient of the mean Huber loss into that of the parameters.

        Args:
            inputs: ``[n, ...]``.
            actions: Which values are to come nearer ``[n]``.
            wanted: What they should be ``[n]``.
            weights: How much each counts ``[n]``; None: all alike.

        Returns:
            How far the values are above what they should be ``[n]``.
        """


class ValuesByAutograd:
    """Any network on any device.

    Args:
        network: Values of actions.
        target: It as it was before.
        flat: The network's parameters.
    """

    name = "autograd"

    def __init__(
        self, network: nn.Module, target: Target, flat: FlatParameters | None = None
    ) -> None:
        self.network, self.target, self.flat = network, target, flat
        self._like = next(network.parameters())

    def values(self, inputs: Array) -> Array:
        """Return the network's values."""
        with torch.no_grad():
            found: Array = self.network(self._tensor(inputs)).cpu().numpy()
        return found

    def targets(self, inputs: Array) -> Array:
        """Return those of the target network."""
        found: Array = self.target.call(self.network, self._tensor(inputs)).cpu().numpy()
        return found

    def slopes(self, inputs: Array, actions: Array, wanted: Array, weights: Array | None) -> Array:
        """Go back through the graph."""
        assert self.flat is not None
        self.flat.gradients.zero_()
        self.flat.attach()
        chosen = torch.from_numpy(actions).long().to(self._like.device)
        with torch.enable_grad():
            found = self.network(self._tensor(inputs)).gather(1, chosen[:, None])[:, 0]
            aim = self._tensor(wanted)
            losses = F.smooth_l1_loss(found, aim, reduction="none")
            if weights is not None:
                losses = losses * self._tensor(weights)
            losses.mean().backward()  # type: ignore[no-untyped-call]
        errors: Array = (found.detach() - aim).cpu().numpy()
        return errors

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._like)


class ValuesByHand:
    """A perceptron on a CPU, in NumPy on the memory of its parameters.

    Activations are turned, ``[units, n]``, by which products of matrices need no copies.

    Args:
        network: Of which `value_lack` finds nothing wrong.
        target: It as it was before.
        flat: The network's parameters.
    """

    name = "by hand"

    def __init__(self, network: ValueNetwork, target: Target, flat: FlatParameters) -> None:
        self.flat = flat
        slopes = dict(zip(map(id, flat.parameters), flat.views(flat.gradients), strict=True))
        own = dict(network.named_parameters())
        self._network = _Layers.of(network, own, {name: slopes[id(p)] for name, p in own.items()})
        self._target = _Layers.of(network, target.tensors(), {})
        self._tanh = isinstance(network.body, Perceptron) and isinstance(network.body[2], nn.Tanh)
        self._rooms: dict[int, tuple[list[Array], list[Array]]] = {}

    def values(self, inputs: Array) -> Array:
        """Return the network's values."""
        return self._forward(self._columns(inputs), self._network).T

    def targets(self, inputs: Array) -> Array:
        """Return those of the target network."""
        return self._forward(self._columns(inputs), self._target).T

    def slopes(self, inputs: Array, actions: Array, wanted: Array, weights: Array | None) -> Array:
        """Go forward and back by hand."""
        self.flat.attach()
        columns, number = self._columns(inputs), len(inputs)
        found = self._forward(columns, self._network)
        places = actions, np.arange(number)
        errors: Array = found[places] - wanted.astype(found.dtype, copy=False)
        # The slope of the Huber loss is its error, no larger than 1.
        steep = np.minimum(np.maximum(errors, -1), 1)
        if weights is not None:
            steep *= weights
        by_values = np.zeros(found.shape, found.dtype)
        by_values[places] = steep / number
        self._backward(columns, by_values)
        return errors

    def _forward(self, columns: Array, layers: _Layers) -> Array:
        """Return values ``[actions, n]``; activations stay in their room."""
        for layer, room in zip(layers.body, self._room(columns.shape[1])[0], strict=True):
            np.matmul(layer.weight, columns, out=room)
            room += layer.bias[:, None]
            if self._tanh:
                np.tanh(room, out=room)
            else:
                np.maximum(room, 0, out=room)
            columns = room
        return layers.joined(columns)

    def _backward(self, inputs: Array, by_values: Array) -> None:
        hidden, back = self._room(inputs.shape[1])
        body, head, state = self._network
        by_actions = by_values
        if state is not None:
            by_state = by_values.sum(0)
            by_actions = by_values - by_state / len(by_values)
            np.matmul(hidden[-1], by_state, out=state.by_weight[0])
            state.by_bias[0] = by_state.sum()
        np.matmul(by_actions, hidden[-1].T, out=head.by_weight)
        np.add.reduce(by_actions, 1, out=head.by_bias)
        np.matmul(head.weight.T, by_actions, out=back[-1])
        if state is not None:
            back[-1] += state.weight.T * by_state
        for depth in range(len(body) - 1, -1, -1):
            layer, slopes, active = body[depth], back[depth], hidden[depth]
            slopes *= 1 - active * active if self._tanh else active > 0
            np.matmul(slopes, (hidden[depth - 1] if depth else inputs).T, out=layer.by_weight)
            np.add.reduce(slopes, 1, out=layer.by_bias)
            if depth:
                np.matmul(layer.weight.T, slopes, out=back[depth - 1])

    def _columns(self, inputs: Array) -> Array:
        dtype = self._network.head.weight.dtype
        columns: Array = inputs.reshape(len(inputs), -1).astype(dtype, copy=False).T
        return columns

    def _room(self, number: int) -> tuple[list[Array], list[Array]]:
        """Return memory for activations and their slopes; made once, as its pages cost time."""
        if number not in self._rooms:
            if len(self._rooms) == _KEPT:
                self._rooms.clear()
            dtype = self._network.head.weight.dtype
            shapes = [(len(layer.bias), number) for layer in self._network.body]
            first, second = ([np.empty(shape, dtype) for shape in shapes] for _ in range(2))
            self._rooms[number] = first, second
        return self._rooms[number]


class _Layers(NamedTuple):
    """The memory of a network's layers: those of the body, of actions, and of the state."""

    body: list[Layer]
    head: Layer
    state: Layer | None

    @classmethod
    def of(
        cls, network: ValueNetwork, values: Mapping[str, Tensor], slopes: Mapping[str, Tensor]
    ) -> _Layers:
        """Return it, by the names of tensors in the network."""

        def layer(name: str) -> Layer:
            places = [f"{name}.weight", f"{name}.bias"]
            own = [values[place].detach().numpy() for place in places]
            return Layer(*own, *(slopes.get(place, _NONE).numpy() for place in places))

        names = [f"body.{n}" for n, one in network.body.named_children() if hasattr(one, "weight")]
        state = None if network.head.state is None else layer("head.state")
        return cls([layer(name) for name in names], layer("head.action"), state)

    def joined(self, features: Array) -> Array:
        """Return values ``[actions, n]`` of features ``[f, n]``, as `ValueHead` does."""
        found: Array = self.head.weight @ features
        found += self.head.bias[:, None]
        if self.state is not None:
            found -= found.mean(0)
            found += self.state.weight @ features + self.state.bias
        return found


def value_path(network: nn.Module, target: Target, flat: FlatParameters) -> tuple[ValuePath, str]:
    """Return the fastest path that is right, and why it is taken."""
    why = value_lack(network)
    if why:
        return ValuesByAutograd(network, target, flat), why
    assert isinstance(network, ValueNetwork)
    return ValuesByHand(network, target, flat), "the network is a perceptron"


def value_lack(network: nn.Module) -> str:
    """Return why a network can't be computed by hand; empty where it can."""
    bodies = [network.body if isinstance(network, ValueNetwork) else network]
    return by_hand_lack(network, bodies, "the network is no perceptron")

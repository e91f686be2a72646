"""Values of actions, and the slopes of their errors, by hand or by autograd."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tlml_rl.base.actor_critic import Perceptron
from tlml_rl.base.by_hand import HOOKS, Layer, kind
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.values import ValueNetwork

Array = NDArray[Any]


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
        target: The same network as it was before.
        flat: The network's parameters.
    """

    name = "autograd"

    def __init__(
        self, network: nn.Module, target: nn.Module, flat: FlatParameters | None = None
    ) -> None:
        self.network, self.target, self.flat = network, target, flat
        self._like = next(network.parameters())

    def values(self, inputs: Array) -> Array:
        """Return the network's values."""
        return self._told(self.network, inputs)

    def targets(self, inputs: Array) -> Array:
        """Return those of the target network."""
        return self._told(self.target, inputs)

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

    @torch.no_grad()
    def _told(self, network: nn.Module, inputs: Array) -> Array:
        found: Array = network(self._tensor(inputs)).cpu().numpy()
        return found

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._like)


class ValuesByHand:
    """A perceptron on a CPU, in NumPy on the memory of its parameters.

    Args:
        network: Of which `value_lack` finds nothing wrong.
        target: The same network as it was before.
        flat: The network's parameters.
    """

    name = "by hand"

    def __init__(self, network: ValueNetwork, target: ValueNetwork, flat: FlatParameters) -> None:
        self.flat = flat
        slopes = dict(zip(map(id, flat.parameters), flat.views(flat.gradients), strict=True))
        self._network, self._head, self._state = _layers(network, slopes)
        self._target = _layers(target, {})
        self._tanh = isinstance(network.body, Perceptron) and isinstance(network.body[2], nn.Tanh)
        self._rooms: dict[int, tuple[list[Array], list[Array]]] = {}

    def values(self, inputs: Array) -> Array:
        """Return the network's values."""
        return _joined(self._forward(self._rows(inputs), self._network), self._head, self._state)

    def targets(self, inputs: Array) -> Array:
        """Return those of the target network."""
        body, head, state = self._target
        return _joined(self._forward(self._rows(inputs), body), head, state)

    def slopes(self, inputs: Array, actions: Array, wanted: Array, weights: Array | None) -> Array:
        """Go forward and back by hand."""
        self.flat.attach()
        rows = self._rows(inputs)
        features = self._forward(rows, self._network)
        found = _joined(features, self._head, self._state)
        places = np.arange(len(rows)), actions
        errors: Array = found[places] - wanted.astype(found.dtype, copy=False)
        # The slope of the Huber loss is its error, no larger than 1.
        steep = np.clip(errors, -1, 1) if weights is None else np.clip(errors, -1, 1) * weights
        by_values = np.zeros_like(found)
        by_values[places] = steep / len(rows)
        self._backward(rows, by_values)
        return errors

    def _forward(self, rows: Array, layers: list[Layer]) -> Array:
        """Return features; activations stay in their room."""
        for layer, room in zip(layers, self._room(len(rows))[0], strict=True):
            np.matmul(rows, layer.weight.T, out=room)
            room += layer.bias
            if self._tanh:
                np.tanh(room, out=room)
            else:
                np.maximum(room, 0, out=room)
            rows = room
        return rows

    def _backward(self, inputs: Array, by_values: Array) -> None:
        hidden, back = self._room(len(inputs))
        features, by_features = hidden[-1], back[-1]
        by_actions = by_values
        if self._state is not None:
            by_state = by_values.sum(1)
            by_actions = by_values - by_state[:, None] / by_values.shape[1]
            np.matmul(by_state, features, out=self._state.by_weight[0])
            self._state.by_bias[0] = by_state.sum()
        np.matmul(by_actions.T, features, out=self._head.by_weight)
        np.sum(by_actions, 0, out=self._head.by_bias)
        np.matmul(by_actions, self._head.weight, out=by_features)
        if self._state is not None:
            by_features += by_state[:, None] * self._state.weight
        for depth in range(len(self._network) - 1, -1, -1):
            layer, slopes, active = self._network[depth], back[depth], hidden[depth]
            slopes *= 1 - active * active if self._tanh else active > 0
            np.matmul(slopes.T, hidden[depth - 1] if depth else inputs, out=layer.by_weight)
            np.sum(slopes, 0, out=layer.by_bias)
            if depth:
                np.matmul(slopes, layer.weight, out=back[depth - 1])

    def _rows(self, inputs: Array) -> Array:
        rows: Array = inputs.reshape(len(inputs), -1).astype(self._head.weight.dtype, copy=False)
        return rows

    def _room(self, rows: int) -> tuple[list[Array], list[Array]]:
        """Return memory for activations and their slopes; made once, as its pages cost time."""
        if rows not in self._rooms:
            if len(self._rooms) == _KEPT:
                self._rooms.clear()
            dtype = self._head.weight.dtype
            shapes = [(rows, len(layer.bias)) for layer in self._network]
            first, second = ([np.empty(shape, dtype) for shape in shapes] for _ in range(2))
            self._rooms[rows] = first, second
        return self._rooms[rows]


_KEPT = 8  # sizes of batches that there is room for at a time


def value_path(
    network: nn.Module, target: nn.Module, flat: FlatParameters
) -> tuple[ValuePath, str]:
    """Return the fastest path that is right, and why it is taken."""
    why = value_lack(network)
    if why:
        return ValuesByAutograd(network, target, flat), why
    assert isinstance(network, ValueNetwork) and isinstance(target, ValueNetwork)
    return ValuesByHand(network, target, flat), "the network is a perceptron"


def value_lack(network: nn.Module) -> str:
    """Return why a network can't be computed by hand; empty where it can."""
    like = next(network.parameters())
    if like.device.type != "cpu" or like.dtype not in (torch.float32, torch.float64):
        return f"the network is on {like.device.type}, in {like.dtype}"
    if not isinstance(network, ValueNetwork) or kind(network.body) is None:
        return "the network is no perceptron with tanh or relu"
    if any(getattr(each, hooks) for each in network.modules() for hooks in HOOKS):
        return "the network has hooks"
    if torch.is_autocast_enabled("cpu"):
        return "precision is mixed"
    return ""


def _layers(
    network: ValueNetwork, slopes: dict[int, Tensor]
) -> tuple[list[Layer], Layer, Layer | None]:
    """Return the memory of the layers of body, actions and state."""

    def layer(linear: nn.Linear) -> Layer:
        own = [linear.weight, linear.bias]
        back = [slopes.get(id(one), torch.zeros(0)).numpy() for one in own]
        return Layer(*(one.detach().numpy() for one in own), *back)

    assert isinstance(network.body, Perceptron)
    state = None if network.head.state is None else layer(network.head.state)
    return [layer(one) for one in network.body.linear()], layer(network.head.action), state


def _joined(features: Array, head: Layer, state: Layer | None) -> Array:
    """Return values of features, as `ValueHead` does."""
    found: Array = features @ head.weight.T
    found += head.bias
    if state is not None:
        found -= found.mean(1, keepdims=True)
        found += features @ state.weight.T + state.bias
    return found

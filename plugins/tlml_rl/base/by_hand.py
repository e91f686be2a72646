"""Actor and critic by hand: forward and backward in NumPy, on the memory of the parameters.

For perceptrons of a few units autograd is mostly calls: some eighty of NumPy's, which take a
microsecond each, do what a step of it does, and its hyperbolic tangent is several times as fast.
Equal to autograd beyond rounding; what can't be done so goes by `AutogradPath`.

Layers of actor and critic lie in one memory, so that what is done to each element is one operation
for both. The head's outputs are turned, ``[size, n]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tlml_rl.base.actor_critic import ActorCritic
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.inputs import as_given
from tlml_rl.base.loss_by_hand import LossByHand, as_rows
from tlml_rl.base.objective import Objective, Rows, Terms
from tlml_rl.base.perceptron import Perceptron, by_hand_lack, kind
from tlml_rl.base.policies import Policy
from tlml_rl.base.slopes import Array, ruled_out

_KEPT = 8  # sizes of batches that there is room for at a time
_AT_ONCE = 512  # rows of a rollout that autograd's network is given at a time


class Path(Protocol):
    """A way to compute what an agent's network gives, and the slopes of its loss."""

    name: str

    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs ``[n, size]``."""

    def judge(self, inputs: Tensor, actions: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return values ``[m]`` of inputs, and log-probabilities ``[n]`` of actions.

        Actions are of the first n inputs.
        """

    def slopes(self, objective: Objective, rows: Rows, tell: bool) -> Terms:
        """Write the loss's gradient into that of the parameters, and return the loss's parts.

        Args:
            objective: The loss.
            rows: Where.
            tell: Whether to tell its parts.
        """


class AutogradPath:
    """Any network on any device.

    Args:
        network: The actor and the critic.
        policy: What the actor's outputs mean.
        flat: Its parameters.
    """

    name = "autograd"

    def __init__(self, network: ActorCritic, policy: Policy, flat: FlatParameters | None) -> None:
        self.network, self.policy, self.flat = network, policy, flat
        self._like = network.head.value.weight

    @torch.no_grad()
    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs ``[n, size]``."""
        found: Array = self.network.outputs(self._tensor(inputs)).cpu().numpy()
        return found

    @torch.no_grad()
    def judge(self, inputs: Tensor, actions: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return values of inputs, and log-probabilities of actions of the first of them."""
        starts = range(0, max(len(inputs), 1), _AT_ONCE)
        parts = [self.network(inputs[start : start + _AT_ONCE]) for start in starts]
        outputs, values = map(torch.cat, zip(*parts, strict=True))
        outputs = outputs[: len(actions)]
        if masks is not None:
            outputs = torch.where(masks, outputs, -torch.inf)
        return values, self.policy.log_prob(outputs, actions, self.network.log_std)

    def slopes(self, objective: Objective, rows: Rows, tell: bool) -> Terms:
        """Go back through the graph."""
        assert self.flat is not None
        self.flat.gradients.zero_()
        self.flat.attach()
        with torch.enable_grad():
            loss, terms = objective.loss(self.network, self.policy, rows, tell)
            loss.backward()  # type: ignore[no-untyped-call]
        return terms

    def _tensor(self, inputs: Array) -> Tensor:
        return as_given(inputs, self._like)


class MixedPath(AutogradPath):
    """Any network on a CPU: the loss's slopes by what it gives are by hand, the rest by autograd.

    Args:
        network: The actor and the critic.
        policy: What the actor's outputs mean.
        flat: Its parameters.
    """

    name = "autograd, but for the loss"

    def __init__(self, network: ActorCritic, policy: Policy, flat: FlatParameters) -> None:
        super().__init__(network, policy, flat)
        self._loss = LossByHand(policy, flat.values.numpy().dtype)

    def slopes(self, objective: Objective, rows: Rows, tell: bool) -> Terms:
        """Go back through the graph from what the network gives."""
        assert self.flat is not None
        self.flat.gradients.zero_()
        self.flat.attach()
        given, spread = self._loss.given(rows), self.network.log_std
        with torch.enable_grad():
            outputs, values = self.network(rows.inputs)
        found = np.ascontiguousarray(outputs.detach().numpy().T)
        by_outputs = np.empty_like(found)
        log_std = None if spread is None else spread.detach().numpy()
        by_log_std = None if log_std is None else np.empty_like(log_std)
        by_values = self._loss.slopes(
            objective, (found, values.detach().numpy()), given, log_std, (by_outputs, by_log_std)
        )
        slopes = [(outputs, by_outputs.T), (values, by_values)]
        if spread is not None and by_log_std is not None:
            slopes.append((spread, by_log_std))
        learning = [(tensor, torch.from_numpy(by)) for tensor, by in slopes if tensor.requires_grad]
        if learning:
            tensors, gradients = zip(*learning, strict=True)
            torch.autograd.backward(tensors, gradients)
        return self._loss.terms(objective, given, tell)


class Layer(NamedTuple):
    """A linear layer: memory of its parameters, and of their gradients.

    Args:
        weight: ``[out, in]``.
        bias: ``[out]``.
        by_weight: ``[out, in]``.
        by_bias: ``[out]``.
    """

    weight: Array
    bias: Array
    by_weight: Array
    by_bias: Array


class Room(NamedTuple):
    """Memory for a batch of n rows; in each pair the actor's part comes first.

    Args:
        hidden: For each depth, activations of both in a row, and their parts ``[n, units]``.
        back: Likewise the loss's slopes by what is activated.
        spare: As large as the largest of them.
        outputs: ``[size, n]``.
        values: ``[n]``.
        by_outputs: ``[size, n]``.
        ones: ``[n]``.
    """

    hidden: list[tuple[Array, Array, Array]]
    back: list[tuple[Array, Array, Array]]
    spare: Array
    outputs: Array
    values: Array
    by_outputs: Array
    ones: Array


class ByHandPath:
    """Two perceptrons on a CPU.

    Args:
        network: The actor and the critic, of which `lack` finds nothing wrong.
        policy: What the actor's outputs mean.
        flat: Its parameters.
    """

    name = "by hand"

    def __init__(self, network: ActorCritic, policy: Policy, flat: FlatParameters) -> None:
        assert isinstance(network.actor, Perceptron) and isinstance(network.critic, Perceptron)
        self.flat, self._loss = flat, LossByHand(policy, flat.values.numpy().dtype)
        places = {id(p): place for place, p in enumerate(flat.parameters)}
        values = [view.numpy() for view in flat.views(flat.values)]
        slopes = [view.numpy() for view in flat.views(flat.gradients)]

        def layer(linear: nn.Linear) -> Layer:
            weight, bias = places[id(linear.weight)], places[id(linear.bias)]
            return Layer(values[weight], values[bias], slopes[weight], slopes[bias])

        self._actor = [layer(linear) for linear in network.actor.linear()]
        self._critic = [layer(linear) for linear in network.critic.linear()]
        self._policy, self._value = layer(network.head.policy), layer(network.head.value)
        spread = None if network.log_std is None else places[id(network.log_std)]
        self._log_std = None if spread is None else values[spread]
        self._by_log_std = None if spread is None else slopes[spread]
        self._tanh = isinstance(network.actor[2], nn.Tanh)
        self._rooms: dict[int, Room] = {}
        self._small: list[Array] = []

    def outputs(self, inputs: Array) -> Array:
        """Return the policy's outputs ``[n, size]``; they are overwritten by the next call."""
        rows = as_rows(inputs, self._value.weight.dtype)
        if not self._small or len(self._small[0]) != len(rows):
            units = [len(each.bias) for each in (*self._actor, self._policy)]
            self._small = [np.empty((len(rows), width), rows.dtype) for width in units]
        for each, room in zip(self._actor, self._small, strict=False):
            np.matmul(rows, each.weight.T, out=room)
            room += each.bias
            self._activate(room)
            rows = room
        found = np.matmul(rows, self._policy.weight.T, out=self._small[-1])
        found += self._policy.bias
        return found

    def judge(self, inputs: Tensor, actions: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return values of inputs, and log-probabilities of actions of the first of them."""
        room = self._forward(as_rows(inputs.numpy(), self._value.weight.dtype))
        outputs = room.outputs[:, : len(actions)]
        if masks is not None:
            outputs = ruled_out(outputs, masks.numpy())
        found = self._loss.policy.at(outputs, actions.numpy(), self._log_std)
        return torch.from_numpy(room.values.copy()), torch.from_numpy(found)

    def slopes(self, objective: Objective, rows: Rows, tell: bool) -> Terms:
        """Go forward and back by hand."""
        self.flat.attach()
        given = self._loss.given(rows)
        room = self._forward(given.inputs)
        by_values = self._loss.slopes(
            objective, (room.outputs, room.values), given, self._log_std,
            (room.by_outputs, self._by_log_std),
        )  # fmt: skip
        self._backward(room, given.inputs, by_values)
        return self._loss.terms(objective, given, tell)

    def _forward(self, inputs: Array) -> Room:
        room = self._room(len(inputs))
        before = inputs, inputs
        for actor, critic, (both, *parts) in zip(
            self._actor, self._critic, room.hidden, strict=True
        ):
            for each, rows, out in zip((actor, critic), before, parts, strict=True):
                np.matmul(rows, each.weight.T, out=out)
                out += each.bias
            self._activate(both)
            before = parts[0], parts[1]
        np.matmul(self._policy.weight, before[0].T, out=room.outputs)
        outputs = room.outputs
        outputs += self._policy.bias[:, None]
        np.matmul(before[1], self._value.weight[0], out=room.values)
        values = room.values
        values += self._value.bias
        return room

    def _backward(self, room: Room, inputs: Array, by_values: Array) -> None:
        _, *above = room.hidden[-1]
        both, by_actor, by_critic = room.back[-1]
        np.matmul(room.by_outputs, above[0], out=self._policy.by_weight)
        np.matmul(room.by_outputs, room.ones, out=self._policy.by_bias)
        np.matmul(by_values, above[1], out=self._value.by_weight[0])
        self._value.by_bias[0] = by_values @ room.ones
        np.matmul(room.by_outputs.T, self._policy.weight, out=by_actor)
        np.multiply(by_values[:, None], self._value.weight, out=by_critic)
        for depth in range(len(self._actor) - 1, -1, -1):
            both, *slopes = room.back[depth]
            self._deactivate(both, room.hidden[depth][0], room.spare)
            below = room.hidden[depth - 1][1:] if depth else (inputs, inputs)
            for side, layers in enumerate((self._actor, self._critic)):
                each = layers[depth]
                np.matmul(slopes[side].T, below[side], out=each.by_weight)
                np.matmul(room.ones, slopes[side], out=each.by_bias)
                if depth:
                    np.matmul(slopes[side], each.weight, out=room.back[depth - 1][1 + side])

    def _activate(self, rows: Array) -> None:
        if self._tanh:
            np.tanh(rows, out=rows)
        else:
            np.maximum(rows, 0, out=rows)

    def _deactivate(self, slopes: Array, activated: Array, spare: Array) -> None:
        """Multiply by the activation's derivative: 1 − tanh², or whether it is above 0."""
        room = spare[: len(activated)]
        if self._tanh:
            np.multiply(activated, activated, out=room)
            np.subtract(1, room, out=room)
            slopes *= room
        else:
            slopes *= activated > 0

    def _room(self, rows: int) -> Room:
        """Return memory for a batch of so many rows; it is made once, as its pages cost time."""
        if rows not in self._rooms:
            if len(self._rooms) == _KEPT:
                self._rooms.clear()
            dtype = self._value.weight.dtype
            units = [
                (len(a.bias), len(c.bias)) for a, c in zip(self._actor, self._critic, strict=True)
            ]
            self._rooms[rows] = Room(
                [_pair(rows, each, dtype) for each in units],
                [_pair(rows, each, dtype) for each in units],
                np.empty(rows * max(sum(each) for each in units), dtype),
                np.empty((len(self._policy.bias), rows), dtype), np.empty(rows, dtype),
                np.empty((len(self._policy.bias), rows), dtype), np.ones(rows, dtype),
            )  # fmt: skip
        return self._rooms[rows]


def path_for(network: ActorCritic, policy: Policy, flat: FlatParameters) -> tuple[Path, str]:
    """Return the fastest path that is right and needs no compiler, and why it is taken."""
    why = lack(network)
    if why and flat.values.is_cpu and flat.values.dtype in (torch.float32, torch.float64):
        return MixedPath(network, policy, flat), why
    if why:
        return AutogradPath(network, policy, flat), why
    return ByHandPath(network, policy, flat), "actor and critic are perceptrons"


def lack(network: ActorCritic) -> str:
    """Return why a network can't be computed by hand; empty where it can."""
    if network.shares:
        return "actor and critic share their features"
    bodies = (network.actor, network.critic)
    found = by_hand_lack(network, bodies, "actor and critic are no perceptrons of their own")
    if not found and kind(network.actor) != kind(network.critic):
        return "actor and critic differ in depth or activation"
    return found


def _pair(rows: int, units: Sequence[int], dtype: Any) -> tuple[Array, Array, Array]:
    """Return memory for both, and the part of each ``[rows, units]``."""
    memory = np.empty(rows * sum(units), dtype)
    middle = rows * units[0]
    return memory, memory[:middle].reshape(rows, -1), memory[middle:].reshape(rows, -1)

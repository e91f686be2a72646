"""How the tasks of a batch are run: together or one by one, and how their slopes are taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tlml.errors import TlmlError
from tlml.meta.stacked_calls import can_stack_calls
from tlml.meta.stacked_layers import Layer, stacked_layers
from tlml.networks.network import Flat, Network
from tlml.strategies.gradients import Adjoint, FirstOrder, Loss, SecondOrder, by_autograd

if TYPE_CHECKING:
    from tlml.learners.gradient_learner import GradientLearner

Vectorize = Literal["auto", "vmap", "stack", "loop"]
Path = Literal["vmap", "stack", "loop"]
Memory = Literal["normal", "low"]
VECTORIZE: tuple[Vectorize, ...] = ("auto", "vmap", "stack", "loop")
MEMORY: tuple[Memory, ...] = ("normal", "low")

# Layers whose code has been seen to give equal gradients under vmap; others are looped over.
_BATCHED = (
    nn.Linear, nn.Identity, nn.Flatten, nn.Sequential, nn.ModuleDict, nn.ModuleList,
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
    nn.LayerNorm, nn.GroupNorm, _NormBase, Network, Flat,
)  # fmt: skip
# These too, but a CPU runs them faster one task after the other.
_CONVOLUTIONAL = (nn.Conv1d, nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)

_COMPUTING = ("task_slopes", "task_loss", "adapted", "start", "loss", "scores")  # a loss


@dataclass(frozen=True, slots=True)
class Execution:
    """What a learner's `loss` and `adapted` do while the tasks of a batch are run.

    Args:
        path: ``stack``: parameters and data have a leading dimension of tasks, and losses are
            summed over it. ``vmap`` and ``loop``: they are of one task.
        why: The reason for the path.
        memory: ``low``: inner steps keep no graph and are computed anew when going back.
        layers: The network's, on the path ``stack``; none where its own `forward` is run.
        tasks: How many there are, likewise.
    """

    path: Path
    why: str = ""
    memory: Memory = "normal"
    layers: tuple[Layer, ...] = ()
    tasks: int = 1

    def differentiated(self, loss: Loss, first_order: bool) -> Loss:
        """Return the loss with the way that inner steps take its slopes."""
        if self.path == "vmap":
            return FirstOrder(loss) if first_order else loss
        if first_order or not torch.is_grad_enabled():
            return FirstOrder(loss, by_autograd)
        return Adjoint(loss) if self.memory == "low" else SecondOrder(loss)


@contextmanager
def executing(learner: GradientLearner, execution: Execution) -> Iterator[None]:
    """Run a learner's tasks in this way inside the block."""
    before, learner.execution = learner.execution, execution
    try:
        yield
    finally:
        learner.execution = before


def execution_for(
    learner: GradientLearner, *, ragged: bool = False, x: Tensor | None = None
) -> Execution:
    """Choose how the tasks of a batch are run.

    Args:
        learner: Its options say how, or ``auto``.
        ragged: Whether the tasks have unequal sizes.
        x: Inputs of one task ``[n, ...]``, to try a network of unknown layers on.

    Raises:
        TlmlError: The path that was asked for can't be taken.
    """
    if ragged:
        return Execution("loop", "tasks have unequal sizes", learner.memory)
    if learner.vectorize in ("loop", "vmap"):
        path: Path = "loop" if learner.vectorize == "loop" else "vmap"
        return Execution(path, "as vectorize says", learner.memory)
    layers, lack = _stackable(learner)
    if not lack:
        why = "every layer is known to run on stacked parameters"
        return Execution("stack", why, learner.memory, layers or ())
    if layers is None and _runs_stacked(learner, x):
        why = "every operation of the network is known to run on stacked parameters"
        return Execution("stack", why, learner.memory)
    if learner.vectorize == "stack":
        raise TlmlError(
            f"vectorize: 'stack' does not go with {type(learner).__name__}: {lack}; take 'vmap', "
            "'loop' or 'auto'"
        )
    if learner.memory == "normal" and learner.compiled is None and can_vmap(learner):
        return Execution("vmap", f"every layer is known to run under vmap; {lack}")
    return Execution("loop", lack, learner.memory)


def can_stack_tasks(learner: GradientLearner) -> bool:
    """Return whether the tasks of this learner may be run on stacked parameters."""
    return not _stackable(learner)[1]


def can_vmap(learner: GradientLearner) -> bool:
    """Return whether ``auto`` may run the tasks of this learner by vmap."""
    network = learner.built()
    on_cpu = next(network.parameters()).device.type == "cpu"
    known: tuple[type[nn.Module], ...] = _BATCHED if on_cpu else (*_BATCHED, *_CONVOLUTIONAL)
    modules = network.modules()
    layers = all(type(m) in known or isinstance(m, _NormBase | Network) for m in modules)
    return layers and _is_batched(learner)


def _runs_stacked(learner: GradientLearner, x: Tensor | None) -> bool:
    """Return whether the network's operations run on stacked parameters; tried once."""
    if learner.stacks_calls is None and x is not None and len(x):
        learner.stacks_calls = can_stack_calls(learner.built(), learner._like(x))
    return bool(learner.stacks_calls)


def _stackable(learner: GradientLearner) -> tuple[tuple[Layer, ...] | None, str]:
    """Return the network's layers, None of unknown ones, and why they can't be stacked."""
    if not _is_batched(learner):
        return (), f"strategy {type(learner.strategy).__name__} does not say that it is batched"
    if not _vouches(learner):
        return (), f"{type(learner).__name__} computes its losses in a way of its own"
    layers = stacked_layers(learner.built())
    if layers is None:
        return None, "the network has other layers than linear ones, norms and activations"
    return layers, ""


def _is_batched(learner: GradientLearner) -> bool:
    return bool(getattr(learner.strategy, "batched", False))


def _vouches(learner: GradientLearner) -> bool:
    """Return whether the class that says `stackable` has seen all that compute losses."""
    own = any(name in vars(learner) for name in _COMPUTING)
    return learner.stackable and not own and _has_seen(type(learner))


@cache
def _has_seen(kind: type[GradientLearner]) -> bool:
    def depth(name: str) -> int:
        return next(i for i, base in enumerate(kind.__mro__) if name in vars(base))

    return all(depth("stackable") <= depth(name) for name in _COMPUTING)

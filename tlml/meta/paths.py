"""Which path the tasks of a batch take."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tlml.errors import TlmlError
from tlml.meta.contract import MetaLearner
from tlml.meta.loop import LoopPath
from tlml.meta.path import Path
from tlml.meta.problem import InnerProblem
from tlml.meta.stacked import StackPath
from tlml.meta.stacked_calls import can_stack_calls
from tlml.meta.stacked_layers import Layer, stacked_layers
from tlml.meta.vmapped import VmapPath
from tlml.networks.network import Flat, Network

# Layers whose code has been seen to give equal gradients under vmap; others are looped over.
_BATCHED = (
    nn.Linear, nn.Identity, nn.Flatten, nn.Sequential, nn.ModuleDict, nn.ModuleList,
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
    nn.LayerNorm, nn.GroupNorm, _NormBase, Network, Flat,
)  # fmt: skip
# These too, but a CPU runs them faster one task after the other.
_CONVOLUTIONAL = (nn.Conv1d, nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def path_for(learner: MetaLearner, *, ragged: bool = False, x: Tensor | None = None) -> Path:
    """Choose how the tasks of a batch are run.

    Args:
        learner: Its options say how, or ``auto``.
        ragged: Whether the tasks have unequal sizes.
        x: Inputs of one task ``[n, ...]``, to try a network of unknown layers on.

    Raises:
        TlmlError: The path that was asked for can't be taken.
    """
    memory = learner.memory
    if ragged:
        return LoopPath("tasks have unequal sizes", memory)
    if learner.vectorize == "loop":
        return LoopPath("as vectorize says", memory)
    if learner.vectorize == "vmap":
        return VmapPath("as vectorize says", memory)
    layers, lack = _stackable(learner)
    if not lack:
        return StackPath("every layer is known to run on stacked parameters", memory, layers or ())
    if layers is None and _runs_stacked(learner, x):
        why = "every operation of the network is known to run on stacked parameters"
        return StackPath(why, memory)
    if learner.vectorize == "stack":
        raise TlmlError(
            f"vectorize: 'stack' does not go with {type(learner).__name__}: {lack}; take 'vmap', "
            "'loop' or 'auto'"
        )
    if memory == "normal" and learner.compiled is None and can_vmap(learner):
        return VmapPath(f"every layer is known to run under vmap; {lack}", memory)
    return LoopPath(lack, memory)


def can_stack_tasks(learner: MetaLearner) -> bool:
    """Return whether the tasks of this learner may be run on stacked parameters."""
    return not _stackable(learner)[1]


def can_vmap(learner: MetaLearner) -> bool:
    """Return whether ``auto`` may run the tasks of this learner by vmap."""
    network = learner.built()
    on_cpu = next(network.parameters()).device.type == "cpu"
    known: tuple[type[nn.Module], ...] = _BATCHED if on_cpu else (*_BATCHED, *_CONVOLUTIONAL)
    modules = network.modules()
    layers = all(type(m) in known or isinstance(m, _NormBase | Network) for m in modules)
    return layers and _is_batched(learner)


def _runs_stacked(learner: MetaLearner, x: Tensor | None) -> bool:
    """Return whether the network's operations run on stacked parameters; tried once."""
    if learner.stacks_calls is None and x is not None and len(x):
        like = next(learner.built().parameters())
        x = x.to(like.dtype) if x.is_floating_point() else x
        learner.stacks_calls = can_stack_calls(learner.built(), x)
    return bool(learner.stacks_calls)


def _stackable(learner: MetaLearner) -> tuple[tuple[Layer, ...] | None, str]:
    """Return the network's layers, None of unknown ones, and why they can't be stacked."""
    if not _is_batched(learner):
        return (), f"strategy {type(learner.strategy).__name__} does not say that it is batched"
    kind: type[InnerProblem] = learner.problem_type
    if learner.own_loss() is not None or not kind.stackable:
        return (), f"{type(learner).__name__} computes its losses in a way of its own"
    layers = stacked_layers(learner.built())
    if layers is None:
        return None, "the network has other layers than linear ones, norms and activations"
    return layers, ""


def _is_batched(learner: MetaLearner) -> bool:
    return bool(getattr(learner.strategy, "batched", False))

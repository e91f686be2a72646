"""Which statistics BatchNorm normalises by while a learner calls its network functionally."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from tlml.errors import TlmlError, check_choice
from tlml.networks.modes import evaluating

Policy = Literal["batch", "stored"]
POLICIES: tuple[Policy, ...] = ("batch", "stored")
Buffers = dict[str, Tensor | None]

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_HIDDEN = "_hidden_statistics"


@contextmanager
def statistics(network: nn.Module, policy: Policy) -> Iterator[None]:
    """Normalise by the batch's or by the stored statistics, whatever train()/eval() says.

    Holds for each BatchNorm and InstanceNorm inside `network`; nothing stored changes, and on
    leaving every module is as before. Contexts nest: the innermost decides. Works under vmap,
    `torch.func.grad`, autograd, no_grad and inference mode. Inside ``batch`` the state dict lacks
    the hidden statistics.

    Args:
        policy: ``batch`` (predictions depend on the other examples: transductive) or ``stored``,
            which is the batch's for modules that store none.
    """
    check_choice("batchnorm", policy, POLICIES)
    before = [_State.of(module) for module in network.modules() if isinstance(module, _NormBase)]
    enter = _hide if policy == "batch" else _show
    try:
        for state in before:
            enter(state)
        yield
    finally:
        for state in before:
            state.restore()


def has_batchnorm(network: nn.Module) -> bool:
    """Say whether the network holds a BatchNorm of any kind."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def uses_batch_statistics(network: nn.Module, policy: Policy) -> bool:
    """Say whether predictions under `policy` depend on the batch; results call it transductive."""
    check_choice("batchnorm", policy, POLICIES)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return any(policy == "batch" or _stored(module)["running_mean"] is None for module in norms)


def check_statistics(network: nn.Module, policy: Policy, x: Tensor) -> None:
    """Run a network on inputs, and raise where BatchNorm can't take statistics of so many.

    Raises:
        TooFewExamplesError: A channel has one value.
    """
    try:
        with torch.no_grad(), evaluating(network), statistics(network, policy):
            network(x)
    except ValueError as error:
        if TooFewExamplesError.is_told_by(error):
            raise TooFewExamplesError from error
        raise


class TooFewExamplesError(TlmlError):
    """A BatchNorm is to take statistics of one value for each channel."""

    def __init__(self) -> None:
        super().__init__(
            "BatchNorm can't take statistics of 1 example; take batchnorm='stored', or shots and "
            "queries of at least 2"
        )

    @staticmethod
    def is_told_by(error: ValueError) -> bool:
        """Say whether torch's error tells this."""
        return "Expected more than 1 value per channel" in str(error)


@dataclass(frozen=True, slots=True)
class _State:
    """A norm as it was on entering: its mode, its buffers, and what an outer context hides."""

    module: _NormBase
    training: bool
    buffers: Buffers
    hidden: Buffers | None

    @classmethod
    def of(cls, module: _NormBase) -> _State:
        buffers = {name: module._buffers[name] for name in _STATISTICS}
        return cls(module, module.training, buffers, module.__dict__.get(_HIDDEN))

    def restore(self) -> None:
        self.module._buffers.update(self.buffers)
        self.module.training = self.training
        _remember(self.module, self.hidden)


def _hide(state: _State) -> None:
    # BatchNorm without buffers takes the batch's statistics in eval mode too, and tracks nothing;
    # eval mode also keeps SyncBatchNorm from mixing the tasks of several ranks. InstanceNorm takes
    # its input's statistics in train mode only.
    _remember(state.module, _stored(state.module))
    state.module._buffers.update(dict.fromkeys(_STATISTICS))
    state.module.training = not isinstance(state.module, _BatchNorm)


def _show(state: _State) -> None:
    state.module._buffers.update(_stored(state.module))
    state.module.training = False


def _stored(module: _NormBase) -> Buffers:
    hidden: Buffers | None = module.__dict__.get(_HIDDEN)
    return {name: module._buffers[name] for name in _STATISTICS} if hidden is None else hidden


def _remember(module: _NormBase, hidden: Buffers | None) -> None:
    # Kept in the module's own dictionary: a table of modules here would be state of this file.
    attributes: dict[str, Any] = module.__dict__
    if hidden is None:
        attributes.pop(_HIDDEN, None)
    else:
        attributes[_HIDDEN] = hidden

"""The phases of a strategy at work on a module that an optimiser trains, however long it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from tlml.errors import TlmlError
from tlml.strategies.phases import Group, Phase, matching, until_step
from tlml.strategies.strategy import Strategy, overrides

HOW = "make it over tlml.param_groups(network, strategy)"


def own_parameters(network: nn.Module, strategy: Strategy) -> dict[str, nn.Parameter]:
    """Return a network's parameters by name, without those of a strategy that it holds."""
    theirs = {id(parameter) for parameter in strategy.parameters()}
    return {name: p for name, p in network.named_parameters() if id(p) not in theirs}


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase on given parameters.

    Args:
        end: The step before which it acts; None where it is the last.
        rates: Each parameter's learning rate as a multiple, by its identity; 0 freezes it.
        norms: What each BatchNorm does: ``train``, ``eval`` or ``adapt``.
    """

    end: int | None
    rates: Mapping[int, float]
    norms: Mapping[nn.Module, str]


# Why not Lightning's BaseFinetuning: it adds parameter groups while it trains, which breaks
# LambdaLR and OneCycleLR and a resumed optimiser; it compares parameters by value, and so drops
# equal ones such as BatchNorm's ones; and it trains BatchNorm inside frozen layers. Here all groups
# are there from the start, one for each pattern of any phase, and a phase only scales their rates.
class Phasing:
    """Freezes, scales learning rates and sets BatchNorm by the phase that a step is in.

    Nothing is counted here: the phase is a function of the step, so that a resumed run is in the
    phase that it would have been in.

    Args:
        network: What adapts.
        strategy: Whose phases.
        total: Returns the steps in all, which phases may end at a share of; None where there is
            no end. It is asked only where a phase needs it.

    Raises:
        TlmlError: A pattern matches no parameter, or a phase ends at a share of nothing.
    """

    def __init__(
        self, network: nn.Module, strategy: Strategy, total: Callable[[], int | None]
    ) -> None:
        self.named = own_parameters(network, strategy)
        self._owned = dict(strategy.named_parameters()) if overrides(strategy, "terms") else {}
        norms = {
            f"{name}.weight".removeprefix("."): module
            for name, module in network.named_modules()
            if isinstance(module, _BatchNorm)
        }
        phases = list(strategy.phases(tuple(self.named)))
        self.stages = [
            Stage(
                _end(phase, total) if place + 1 < len(phases) else None,
                *_assign(phase, self.named, norms),
            )
            for place, phase in enumerate(phases)
        ]
        self._trainable = {id(p): p for p in self.named.values() if p.requires_grad}
        self._updating: frozenset[nn.Module] = frozenset()
        self._handles: list[RemovableHandle] = [
            module.register_forward_pre_hook(self._update)
            for module in norms.values()
            if any(stage.norms[module] == "adapt" for stage in self.stages)
        ]

    def at(self, step: int) -> Stage:
        """Return the stage that a step is in; the last one goes on."""
        return next(s for s in self.stages if s.end is None or step < s.end)

    def enter(self, step: int, *, toggle: bool) -> None:
        """Prepare the modules for a training step.

        Args:
            step: Optimiser steps done.
            toggle: Set ``requires_grad``, which saves time; never under DDP, whose reducer knows
                the parameters from when it was made.
        """
        stage = self.at(step)
        for module, policy in stage.norms.items():
            module.training = policy == "train"
        self._updating = frozenset(m for m, policy in stage.norms.items() if policy == "adapt")
        learning = any(stage.rates[key] for key in self._trainable)
        for key, parameter in self._trainable.items() if toggle else ():
            # A phase in which nothing learns still needs a loss that can be differentiated.
            parameter.requires_grad_(bool(stage.rates[key]) or not learning)

    def leave(self) -> None:
        """End a training step: what is forwarded until the next one updates no statistics."""
        self._updating = frozenset()

    def drop_frozen(self, step: int) -> None:
        """Drop gradients of frozen parameters, so that weight decay and momentum pass them over."""
        rates = self.at(step).rates
        for parameter in self.named.values():
            if not rates[id(parameter)]:
                parameter.grad = None

    def follow(self, optimizers: Sequence[Optimizer], step: Callable[[], int]) -> None:
        """Scale the learning rates while an optimiser steps, and restore them for schedulers.

        Raises:
            TlmlError: A parameter that learns is in no optimiser, or a group needs two rates.
        """
        self._check_covered(optimizers)
        for optimizer in optimizers:
            self._check_groups(optimizer)
            self._handles += self._scaling(optimizer, step)

    def release(self) -> None:
        """Take all hooks off and let every parameter require gradients as before."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.leave()
        for parameter in self._trainable.values():
            parameter.requires_grad_(True)

    def _scaling(self, optimizer: Optimizer, step: Callable[[], int]) -> list[RemovableHandle]:
        kept: list[Any] = []

        def scale(*_: Any) -> None:
            rates = self.at(step()).rates
            kept[:] = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * next(iter(_rates(group, rates)), 1.0)

        def restore(*_: Any) -> None:
            for group, lr in zip(optimizer.param_groups, kept, strict=True):
                group["lr"] = lr

        before = optimizer.register_step_pre_hook(scale)
        return [before, optimizer.register_step_post_hook(restore)]

    def _check_covered(self, optimizers: Sequence[Optimizer]) -> None:
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        covered = {id(parameter) for group in groups for parameter in group["params"]}
        for name, parameter in self.named.items():
            learns = any(stage.rates[id(parameter)] for stage in self.stages)
            if learns and id(parameter) in self._trainable and id(parameter) not in covered:
                raise TlmlError(f"parameter '{name}' learns and is in no optimizer; {HOW}")
        for name, parameter in self._owned.items():
            if id(parameter) not in covered:
                raise TlmlError(f"the strategy's '{name}' learns and is in no optimizer; {HOW}")

    def _check_groups(self, optimizer: Optimizer) -> None:
        for number, group in enumerate(optimizer.param_groups):
            for place, stage in enumerate(self.stages):
                found = _rates(group, stage.rates)
                if len(found) > 1:
                    raise TlmlError(
                        f"optimizer: its group {number} holds parameters with the rates "
                        f"{', '.join(map(str, sorted(found)))} in phase {place}; {HOW}"
                    )

    def _update(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module in self._updating and isinstance(module, _BatchNorm):
            update_statistics(module, inputs[0])


@torch.no_grad()
def update_statistics(norm: _BatchNorm, x: Tensor) -> None:
    """Update the stored statistics of a BatchNorm by a batch ``[n, channels, ...]``."""
    if norm.running_mean is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = norm.momentum
    if share is None:  # a plain average over all batches
        share = 1.0 / float(norm.num_batches_tracked)
    F.batch_norm(x, norm.running_mean, norm.running_var, training=True, momentum=share)


def _end(phase: Phase, total: Callable[[], int | None]) -> int:
    return until_step(phase, None if isinstance(phase.until, int) else total())


def _assign(
    phase: Phase, named: Mapping[str, nn.Parameter], norms: Mapping[str, nn.Module]
) -> tuple[dict[int, float], dict[nn.Module, str]]:
    names = list(dict.fromkeys((*named, *norms)))
    groups: Mapping[str, Group] = matching(names, phase.groups)
    rates = {id(p): groups[name].lr if name in groups else 0.0 for name, p in named.items()}
    return rates, {m: groups[name].bn if name in groups else "eval" for name, m in norms.items()}


def _rates(group: Mapping[str, Any], rates: Mapping[int, float]) -> set[float]:
    """Return the different rates of those parameters of a group that learn."""
    return {rates.get(id(parameter), 1.0) for parameter in group["params"]} - {0.0}

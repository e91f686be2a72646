"""Long adaptation: the phases of a strategy in a Lightning Trainer, for anybody's module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from tlml.data.tasks import Params
from tlml.errors import TlmlError, check_not_negative
from tlml.finetuning.batch_terms import StepTerms, submodule
from tlml.finetuning.phase_switch import Phasing, own_parameters
from tlml.learners.acting import Acting
from tlml.learners.learner import as_strategy
from tlml.networks.build import seeded_draws
from tlml.networks.parameters import fresh_parameters, frozen_parameters
from tlml.strategies.phases import Group, joined_groups
from tlml.strategies.strategy import Strategy, overrides


def param_groups(network: nn.Module, strategy: Strategy) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser, made once for all phases of a strategy.

    Each parameter that learns in some phase is in one group, with those that share its phases; a
    group ``strategy`` holds what the strategy itself owns. Phases act through `Adapt`, which
    freezes parameters and scales learning rates while the optimiser steps.

    Args:
        network: What adapts; the strategy is attached to it, where it isn't yet.
        strategy: Whose phases and learning rate.

    Returns:
        Groups ``{"params": [...], "names": [...], "name": ..., "lr": ...}``.

    Raises:
        TlmlError: A pattern of a phase matches no parameter.
    """
    attach(strategy, network)
    named = own_parameters(network, strategy)
    phases = strategy.phases(tuple(named))
    groups = [
        _group(_label(joined.groups), {name: named[name] for name in joined.names}, strategy.lr)
        for joined in joined_groups(phases, tuple(named))
        if any(group is not None and group.lr for group in joined.groups)
    ]
    owned = dict(strategy.named_parameters())
    return [*groups, _group("strategy", owned, strategy.lr)] if owned else groups


def attach(strategy: Strategy, network: nn.Module, seed: int = 0) -> None:
    """Attach a strategy to a network, unless that was done before; what it draws is keyed."""
    if not strategy._attached:
        with seeded_draws(seed):
            strategy.claim(network)


class PhaseCallback(Callback):
    """Runs the phases of a strategy that is attached to a module already.

    Args:
        strategy: Whose phases.
        network: Path of the submodule that adapts, such as ``"model"``; the whole where empty.
    """

    def __init__(self, strategy: Strategy, network: str = "") -> None:
        self.strategy, self.network = strategy, network
        self._phasing: Phasing | None = None
        self._thawed: list[nn.Parameter] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let what a user froze learn too, where the strategy starts everything anew.

        That is before optimisers are made and before DDP looks at what learns.
        """
        if stage == "fit" and self.strategy.thaws and any(True for _ in pl_module.parameters()):
            named = own_parameters(self._adapting(pl_module), self.strategy)
            self._thawed = [p for p in named.values() if not p.requires_grad]
            for parameter in self._thawed:
                parameter.requires_grad_(True)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Assign each parameter and each BatchNorm to its phases.

        Raises:
            TlmlError: The phases don't fit the module, its optimisers or the length of training.
        """
        self._phasing = Phasing(
            self._adapting(pl_module), self.strategy, lambda: total_steps(trainer)
        )
        self._phasing.follow(trainer.optimizers, lambda: steps_done(trainer))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set what learns; Lightning has just put all modules into training mode."""
        self._enter(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set what learns; a phase may begin at any step."""
        self._enter(trainer)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Drop the gradients of what is frozen."""
        if self._phasing is not None:
            self._phasing.drop_frozen(steps_done(trainer))

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Keep validation from updating statistics."""
        if self._phasing is not None:
            self._phasing.leave()

    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        """Leave the module as it was found."""
        self._release()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the module as it was found."""
        self._release()

    def _enter(self, trainer: Trainer) -> None:
        if self._phasing is not None:
            alone = isinstance(trainer.strategy, SingleDeviceStrategy)
            self._phasing.enter(steps_done(trainer), toggle=alone)

    def _release(self) -> None:
        if self._phasing is not None:
            self._phasing.release()
        self._phasing = None
        for parameter in self._thawed:
            parameter.requires_grad_(False)
        self._thawed = []

    def _adapting(self, pl_module: LightningModule) -> nn.Module:
        return submodule(pl_module, self.network, "network")


def total_steps(trainer: Trainer) -> int | None:
    """Return how many steps a fit takes in all; None where it has no end."""
    module = trainer.lightning_module
    if isinstance(module, Acting):
        return module.max_env_steps
    total = trainer.estimated_stepping_batches
    return None if total == float("inf") else int(total)


def steps_done(trainer: Trainer) -> int:
    """Return how many steps of a fit are done, as `total_steps` counts them.

    Where a module steps its optimisers itself, a batch is a step, however many of them step and
    how often; Lightning's own count is of all their steps, and so is `max_steps` where it is set.
    An agent's steps are those in its environments.
    """
    module = trainer.lightning_module
    if isinstance(module, Acting):
        return int(module.env_steps)
    if trainer.lightning_module.automatic_optimization or trainer.max_steps >= 0:
        return trainer.global_step
    return trainer.fit_loop.epoch_loop.batch_progress.total.completed


class Adapt(PhaseCallback):
    """Adapts anybody's LightningModule by the phases of a strategy.

    Freezing and learning rates take part in the module's own optimiser and schedulers, BatchNorm
    follows the phases, and a resumed run goes on in the phase that it was in. A step of a phase is
    one of the optimiser, a batch where a module steps optimisers itself, and a step in its
    environments where it is an agent::

        trainer = pl.Trainer(max_epochs=10, callbacks=[tlml.Adapt("linear_probe")])
        trainer.fit(module, data)

    Where phases have different rates, make the optimiser over `param_groups`. A strategy's loss
    terms are what ``self.adapt(batch)`` returns in the module's training step (`StepTerms`); it is
    there during the fit, and 0 for strategies without terms.

    Args:
        strategy: A strategy, a registered name, or a name with options.
        network: Path of the submodule that adapts, such as ``"model"``; the whole where empty.
        seed: The key of a fresh start, for strategies such as ``scratch``, and of what a strategy
            adds to the network.
        features: Path of the submodule whose output is the features ``[n, ...]``, such as
            ``"backbone"``, for loss terms that look at them.
        logits: Path of the submodule whose output is the logits ``[n, outputs]``, such as
            ``"head"``, likewise.

    Raises:
        TlmlError: The strategy or an option of it is unknown, or it needs more than a callback has.
    """

    def __init__(
        self,
        strategy: Strategy | str | dict[str, Any],
        network: str = "",
        seed: int = 0,
        features: str | None = None,
        logits: str | None = None,
    ) -> None:
        check_not_negative(seed=seed)
        super().__init__(as_strategy(strategy), network)
        if self.strategy.unlabelled:
            raise TlmlError(
                f"strategy: {type(self.strategy).__name__} adapts to target inputs without labels, "
                "which a callback is not given; take tlml adapt, or a test on an EpisodeView"
            )
        self.seed, self.features, self.logits = seed, features, logits
        self._terms: StepTerms | None = None

    @property
    def state_key(self) -> str:
        """What a checkpoint keeps the state under: several may adapt parts of one module."""
        return self._generate_state_key(network=self.network)

    def state_dict(self) -> dict[str, Any]:
        """Return the strategy's state, such as the weights that it keeps to."""
        return {"strategy": self.strategy.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the strategy's state, where training resumes."""
        self.strategy.load_state_dict(state_dict["strategy"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Attach the strategy, before optimisers are made."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and own_parameters(pl_module, self.strategy):
            attach(self.strategy, self._adapting(pl_module), self.seed)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start where the strategy says, unless training resumes."""
        network = self._adapting(pl_module)
        attach(self.strategy, network, self.seed)
        self.strategy.to(pl_module.device)
        if trainer.ckpt_path is None and trainer.global_step == 0:
            start_at(network, self.strategy, lambda: fresh_parameters(_bare(network), self.seed))
            begin(network, self.strategy)
        self._terms = StepTerms(
            self.strategy, pl_module, self.network, self.features, self.logits,
            lambda: progress(trainer),
        )  # fmt: skip
        super().on_fit_start(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set what learns, and watch the features and logits of this step."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if self._terms is not None:
            self._terms.begin_step()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Keep validation from updating statistics, and its outputs to itself."""
        super().on_train_batch_end(trainer, *args)
        if self._terms is not None:
            self._terms.end_step()

    def _release(self) -> None:
        super()._release()
        if self._terms is not None:
            self._terms.release()
        self._terms = None


def progress(trainer: Trainer) -> float:
    """Return the share of a fit that is done; 0 where it has no end."""
    total = total_steps(trainer)
    return min(steps_done(trainer) / total, 1.0) if total else 0.0


def begin(network: nn.Module, strategy: Strategy, x: Tensor | None = None) -> None:
    """Let a strategy look at what adapts before the first step; set the buffers that it says."""
    if not overrides(strategy, "begin"):
        return
    named = own_parameters(network, strategy)
    like = next(iter(named.values()))
    x = like.new_zeros(0) if x is None else x
    x = x.to(like.dtype) if x.is_floating_point() else x
    buffers = dict(network.named_buffers())
    with torch.no_grad():
        for name, value in strategy.begin(network, named, x).items():
            buffers[name].copy_(value)


def start_at(network: nn.Module, strategy: Strategy, fresh: Callable[[], Params]) -> None:
    """Set a network's parameters to where a strategy starts.

    Args:
        fresh: Returns newly initialised parameters; where they are taken, BatchNorm forgets too.
    """
    if not overrides(strategy, "start"):
        return
    taken: list[Params] = []

    def take() -> Params:
        taken.append(fresh())
        return taken[-1]

    named = own_parameters(network, strategy)
    begun = strategy.start(named, take)
    frozen = () if strategy.thaws else frozen_parameters(network)
    with torch.no_grad():
        for name, parameter in named.items():
            if name not in frozen:
                parameter.copy_(begun[name])
    for module in network.modules() if taken else ():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()


def _bare(network: nn.Module) -> nn.Module:
    """Return a module with the same children; a LightningModule drags its Trainer into a copy."""
    bare = nn.Module()
    bare._modules, bare._parameters = dict(network._modules), dict(network._parameters)
    return bare


def _group(name: str, named: dict[str, nn.Parameter], lr: float) -> dict[str, Any]:
    return {"params": list(named.values()), "names": list(named), "name": name, "lr": lr}


def _label(groups: tuple[Group | None, ...]) -> str:
    """Return what the group is in each phase, such as ``"frozen/head.*"``."""
    return "/".join("frozen" if group is None else group.pattern for group in groups)

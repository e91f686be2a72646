"""The inner problem of a task: what its loss, its scores and its start are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tlml.data.tasks import Batch, Params
from tlml.errors import TlmlError
from tlml.meta.contract import Adapter, MetaLearner, Problem, Slopes, trained_parameters, unscale
from tlml.meta.path import Path
from tlml.networks.batchnorm import Policy, TooFewExamplesError, has_batchnorm, statistics
from tlml.networks.calls import call_with
from tlml.networks.modes import constant
from tlml.networks.parameters import fresh_parameters, frozen_parameters
from tlml.strategies.gradients import KeptLoss, Loss
from tlml.strategies.strategy import Strategy


@dataclass(frozen=True)
class TrainingAdapter:
    """In training a learner's own strategy adapts the learner's own network."""

    learner: MetaLearner

    @property
    def strategy(self) -> Strategy:
        """The learner's strategy."""
        return self.learner.strategy

    @property
    def network(self) -> nn.Module:
        """The learner's network."""
        return self.learner.built()

    @property
    def buffers(self) -> Params:
        """None: the network keeps its own."""
        return {}

    @property
    def frozen(self) -> frozenset[str]:
        """What a user froze."""
        return frozenset() if self.strategy.thaws else frozen_parameters(self.network)

    @property
    def first_order(self) -> bool:
        """Whether the outer step takes inner steps as linear."""
        return self.learner.first_order

    def start(self, tasks: int | None) -> dict[str, Tensor]:
        """Return the network's parameters, or where the strategy says."""
        params: dict[str, Tensor] = dict(self.network.named_parameters())
        if tasks is not None:
            params = {name: p.expand(tasks, *p.shape) for name, p in params.items()}
        seed = self.learner.seed
        begun = self.strategy.start(params, lambda: fresh_parameters(self.network, seed))
        if begun is params:  # all stays where it is, and what is frozen with it
            return params
        return {**begun, **{name: params[name] for name in self.frozen}}

    def inner_loss(self, problem: Problem) -> Loss:
        """Return the problem's loss, differentiated as its path does."""
        assert isinstance(problem, InnerProblem)
        return problem.path.differentiated(problem.loss, self.first_order)

    def count(self) -> None:
        """Count nothing: only tests record gradient steps."""


# The methods that may compute a loss.
_COMPUTING = (
    "task_slopes", "task_loss", "adapted", "adapt", "steps", "start", "loss", "standard_loss",
    "scores", "call",
)  # fmt: skip


@dataclass(frozen=True)
class InnerProblem:
    """The problem that a strategy solves on one task, or on the stacked tasks of a chunk.

    `loss`, `scores` and `start` are functions of what is given here and of the learner's
    parameters; nothing else decides what they mean. An algorithm that computes them otherwise
    derives a class and names it as its learner's `problem_type`.

    Args:
        learner: Whose problem it is.
        adapter: The strategy at work and the network that it adapts.
        path: How tasks are run.
    """

    learner: Any
    adapter: Adapter
    path: Path
    # Whether all methods here compute by `loss` and `scores` alone, so that tasks may be stacked;
    # a class that overrides one of them is taken for one that doesn't, unless it says so anew.
    stackable: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a class that computes otherwise vouch for itself."""
        super().__init_subclass__(**options)
        if "stackable" not in vars(cls) and any(name in vars(cls) for name in _COMPUTING):
            cls.stackable = False

    @property
    def strategy(self) -> Strategy:
        """The strategy that adapts."""
        return self.adapter.strategy

    @property
    def policy(self) -> Policy:
        """The statistics that BatchNorm uses now."""
        policy: Policy = self.strategy.batchnorm or self.learner.batchnorm
        return policy

    # What a strategy sees

    def start(self) -> dict[str, Tensor]:
        """Return where an adaptation starts: the network's parameters, or as the strategy says."""
        return self.adapter.start(self.path.tasks)

    def loss(self, params: Params, batch: Any) -> Tensor:
        """Return the loss of the network with the parameters `params` on a batch."""
        self.adapter.count()
        own: Loss | None = self.learner.own_loss()
        if own is None:
            return self.standard_loss(params, batch)
        self._check_own_loss()
        return own(params, batch)

    def standard_loss(self, params: Params, batch: Any) -> Tensor:
        """Return the learner's criterion of the scores of ``batch.x`` and ``batch.y``."""
        return self.path.criterion(self.scores(params, batch.x), batch.y, self.learner.criterion)

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return what the network gives for ``x [n, ...]`` with the parameters `params`."""
        if x.is_floating_point():
            x = x.to(next(iter(params.values())).dtype)
        try:
            return self.path.scores(self, params, x)
        except ValueError as error:
            if TooFewExamplesError.is_told_by(error):
                raise TooFewExamplesError from error
            raise

    def call(self, params: Params, x: Tensor) -> Tensor:
        """Run the network once, with parameters of one task."""
        network = self.adapter.network
        with statistics(network, self.policy):
            result: Tensor = call_with(network, {**self.adapter.buffers, **params}, x)
        return result

    def inner_loss(self) -> Loss:
        """Return the loss that inner steps go down, with the way to take its slopes."""
        return self.adapter.inner_loss(self)

    # What a learner asks

    def adapted(self, support: Batch) -> Params:
        """Return the network's parameters, by name, adapted to the support of one task."""
        return self.adapt(self.start(), support)

    def adapt(self, params: Params, support: Any) -> Params:
        """Return `params` adapted to the support; what is frozen stays."""
        loss, moving, kept = self._divided(params, self.inner_loss())
        found = self.strategy.adapt(loss, moving, support)
        return {**params, **found} if kept else found

    def steps(self, params: Params, support: Any, loss: Loss | None = None) -> Iterator[Params]:
        """Yield the parameters after each inner step from `params` on; what is frozen stays.

        Args:
            loss: What is gone down; the `inner_loss` where None.
        """
        loss, moving, kept = self._divided(params, loss or self.inner_loss())
        for found in self.strategy.steps(loss, moving, support):
            yield {**params, **found} if kept else found

    def task_loss(self, support: Batch, query: Batch) -> Tensor:
        """Return the query loss of one task after adapting to its support."""
        return self.loss(self.adapted(support), query)

    def task_slopes(self, support: Batch, query: Batch) -> tuple[Tensor, Slopes]:
        """Return the loss of one task, and its gradient by the parameters that are trained.

        Raises:
            TlmlError: The inner loop can't be differentiated.
        """
        loss, params = self.task_loss(support, query), trained_parameters(self.learner)
        if not loss.requires_grad:
            raise TlmlError(
                f"strategy {type(self.strategy).__name__}: its steps can't be differentiated, so "
                f"{type(self.learner).__name__} can't learn through them; take one that can, such "
                "as sgd"
            )
        scale = self.learner.loss_scale
        scaled = loss if scale == 1 else scale * loss
        found = torch.autograd.grad(scaled, list(params.values()), materialize_grads=True)
        return loss, unscale(dict(zip(params, found, strict=True)), scale)

    def constants(self) -> tuple[Any, ...]:
        """Return all that `task_loss` depends on beside tensors; another means compiling anew."""
        live = {"policy": self.policy, "loss_scale": self.learner.loss_scale}
        parts: tuple[Mapping[str, Any], ...] = (vars(self.learner), vars(self.strategy), live)
        kinds = (bool, int, float, str, tuple, type(None))
        return tuple((k, v) for part in parts for k, v in part.items() if isinstance(v, kinds))

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Adapt to the support of one task and return the scores of ``x``."""
        adapts = len(support.x) or self.strategy.unlabelled
        # Learned rates would keep every inner step for an outer one that doesn't come.
        with constant(self.strategy):
            params = self.adapted(support) if adapts else self.start()
        with torch.no_grad():
            return self.scores(params, x)

    def diverged_at(self, support: Batch) -> int | None:
        """Return the inner step after which parameters aren't finite, from 1 on, if one is so."""
        for step, params in enumerate(self.steps(self.start(), support), 1):
            if not all(bool(torch.isfinite(value).all()) for value in params.values()):
                return step
        return None

    def _divided(self, params: Params, loss: Loss) -> tuple[Loss, Params, Params]:
        """Return the loss of what moves, what moves, and what is frozen."""
        frozen = self.adapter.frozen & params.keys()
        if not frozen:
            return loss, params, {}
        kept = {name: value for name, value in params.items() if name in frozen}
        moving = {name: value for name, value in params.items() if name not in frozen}
        return KeptLoss(loss, kept), moving, kept

    def _check_own_loss(self) -> None:
        """Raise where a learner's own `loss` would not see what this problem is about."""
        own = self.learner.problem()
        if self.adapter.network is not own.adapter.network:
            lack = "the network that it attaches"
        elif self.adapter.buffers or (
            self.policy != own.policy and has_batchnorm(self.adapter.network)
        ):
            lack = "its statistics of BatchNorm"
        else:
            return
        raise TlmlError(
            f"strategy {type(self.strategy).__name__}: {type(self.learner).__name__} computes its "
            f"loss by a method of its own, which can't see {lack}; write loss() in a problem_type"
        )

"""Learners with a network that is adapted by gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from tlml.data.tasks import SPLITS, Batch, Episode, Episodes, Params
from tlml.data.trials import Trials
from tlml.errors import DivergedError, TlmlError, check_choice, check_positive
from tlml.learners.adapter import TargetAdapter, adapter_for
from tlml.learners.keyed_draws import keyed_draws
from tlml.learners.network_learner import NetworkLearner
from tlml.learners.together import Together
from tlml.meta.compiled import CompiledSteps
from tlml.meta.contract import MEMORY, VECTORIZE, Adapter, Memory, Vectorize
from tlml.meta.loop import LoopPath
from tlml.meta.outer_gradient import mean_over_tasks
from tlml.meta.path import Path
from tlml.meta.paths import path_for
from tlml.meta.problem import InnerProblem, TrainingAdapter
from tlml.meta.vmapped import VmapPath
from tlml.networks.batchnorm import POLICIES, Policy, check_statistics, has_batchnorm
from tlml.networks.modes import constant
from tlml.strategies.gradients import Loss
from tlml.strategies.strategy import Strategy
from tlml.views.base import View
from tlml.views.contract import Played
from tlml.views.env import Environments, EnvView
from tlml.views.episode import EpisodeView

# What a problem computes; a learner that does so otherwise names a `problem_type`.
_OF_THE_PROBLEM = ("scores", "start", "adapted", "inner_loss", "task_loss", "task_slopes")


class Adapted(NamedTuple):
    """Where an adaptation to a task by acting is.

    Args:
        problem: The inner problem.
        params: The parameters, by name.
        env_steps: Steps in environments that were learned from until then.
        gradient_steps: Steps of the strategy until then.
    """

    problem: InnerProblem
    params: Params
    env_steps: int = 0
    gradient_steps: int = 0


class GradientLearner(NetworkLearner):
    """A learner whose network's parameters are adapted to a task by a strategy.

    What it adapts by is its `problem`; `loss`, `scores`, `start` and `adapted` are those of the
    problem in training. A subclass may write `loss(params, batch)`; one that computes more of it
    otherwise derives from `tlml.meta.InnerProblem` and names that class as `problem_type`.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What takes part in training, and adapts unless a test names another.
        network_options: Options of the named network.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        momentum: Momentum of ``sgd``.
        fused: Step all parameters by one operation, which is quicker and changes last digits.
        loss: ``cross_entropy``, ``mse``, ``l1``, ``huber``, ``smooth_l1`` or ``bce``; by the
            targets where None (integers: cross-entropy, floats: mean squared error).
        batchnorm: Statistics that BatchNorm uses on a task: its ``batch``'s, or as ``stored``.
        vectorize: Tasks of a batch together, on stacked parameters (``stack``) or by torch's
            ``vmap``; one by one (``loop``); or the fastest known to be right (``auto``).
        chunk_size: Tasks that are run together; all of the batch where None.
        compile: Trace and compile the outer step; it pays on small networks and long runs.
        memory: ``low`` keeps no graph of inner steps and computes them anew when going back.
        channels_last: Layout of images and convolutions; what is faster where None.
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    view_type: ClassVar[type[View]] = EpisodeView
    problem_type: ClassVar[type[InnerProblem]] = InnerProblem
    first_order: bool = False
    stacks_calls: bool | None = None  # whether a network of unknown layers was seen to stack

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse to override what would be passed over."""
        super().__init_subclass__(**options)
        for name in _OF_THE_PROBLEM:
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides {name}(), which adaptations take from the problem: "
                    f"write {name}() in a subclass of tlml.meta.InnerProblem, and name that as "
                    "problem_type"
                )

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        fused: bool = False,
        loss: str | None = None,
        batchnorm: Policy = "batch",
        vectorize: Vectorize = "auto",
        chunk_size: int | None = None,
        compile: bool = False,
        memory: Memory = "normal",
        channels_last: bool | None = None,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        check_choice("batchnorm", batchnorm, POLICIES)
        check_choice("vectorize", vectorize, VECTORIZE)
        check_choice("memory", memory, MEMORY)
        check_positive(chunk_size=chunk_size)
        if vectorize == "vmap" and (compile or memory == "low"):
            option = "compile=True" if compile else "memory='low'"
            raise TlmlError(f"vectorize: 'vmap' does not go with {option}; take 'auto', or 'loop'")
        super().__init__(
            network, strategy, network_options=network_options, lr=lr, optimizer=optimizer,
            weight_decay=weight_decay, momentum=momentum, fused=fused, seed=seed, spaces=spaces,
        )  # fmt: skip
        self.criterion, self.batchnorm = loss, batchnorm
        self.vectorize, self.chunk_size = vectorize, chunk_size
        self.compiled = CompiledSteps() if compile else None
        self.memory, self.channels_last = memory, channels_last

    # The inner problem

    def problem(self, adapter: Adapter | None = None, path: Path | None = None) -> InnerProblem:
        """Return the inner problem of a task.

        Args:
            adapter: What adapts; None: in training, the learner's strategy its network.
            path: How tasks are run; None: so that calls may stand under any transform of
                `torch.func` in training, and one by one where an adapter is at work.
        """
        if path is None:
            path = VmapPath() if adapter is None else LoopPath()
        return self.problem_type(self, adapter or TrainingAdapter(self), path)

    def loss(self, params: Params, batch: Any) -> Tensor:
        """Return the loss of the network with the parameters `params` on a batch."""
        return self.problem().standard_loss(params, batch)

    def own_loss(self) -> Loss | None:
        """Return the loss that a subclass computes in a way of its own, if it does."""
        own = "loss" in vars(self) or type(self).loss is not GradientLearner.loss
        return self.loss if own else None

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return what the network gives for ``x [n, ...]`` with the parameters `params`."""
        return self.problem().scores(params, x)

    def start(self) -> dict[str, Tensor]:
        """Return where an adaptation starts: the network's parameters, or as the strategy says."""
        return self.problem().start()

    def adapted(self, support: Batch) -> Params:
        """Return the network's parameters, by name, adapted to the support of one task.

        In training they are a function of the learner's parameters and can be differentiated.
        """
        return self.problem().adapted(support)

    # Training

    def check(self, view: View) -> None:
        """Raise where an option does not go with the view.

        Raises:
            TlmlError: BatchNorm would have one example to take statistics of, or inner steps in
                environments would be computed anew.
        """
        if isinstance(view, EnvView) and self.memory == "low":
            raise TlmlError(
                "memory: 'low' computes inner steps anew when it goes back, and in environments "
                "these would be other rollouts; take 'normal'"
            )
        if isinstance(view, EpisodeView) and has_batchnorm(self.built()):
            self.check_sizes(view.drawn("source").smallest(), self.strategy, self.built())

    def check_sizes(self, task: Episode, strategy: Strategy, network: nn.Module) -> None:
        """Raise where BatchNorm can't take statistics of support or query of a task.

        Args:
            task: As small as there can be.
            strategy: What adapts.
            network: What is adapted.

        Raises:
            TooFewExamplesError: One of them has too few examples.
        """
        if not has_batchnorm(network) or type(self).predict is not GradientLearner.predict:
            return
        policy = strategy.batchnorm or self.batchnorm
        for x in ([task.support.x] if strategy.max_steps else []) + [task.query.x]:
            if len(x) == 1:
                check_statistics(network, policy, x.to(self.device))

    def on_train_start(self) -> None:
        """Say how the tasks of a batch are run."""
        super().on_train_start()
        view = self.current_view()
        if isinstance(view, EpisodeView) and self.strategy.max_steps:
            space = view.spaces.x
            zeros = torch.from_numpy(np.zeros((2, *(space.shape or ())), space.dtype))
            chosen = path_for(self, x=zeros.to(self.device))
            rank_zero_info(
                f"{type(self).__name__}: tasks of a batch are run by {chosen.name} ({chosen.why})"
            )

    def meta_loss(self, episode: Episode | Episodes) -> Tensor:
        """Return the mean query loss over the batch's tasks after adapting to their supports.

        Its gradient is exact, and is there once: to be differentiated by an optimiser's step.

        Raises:
            TlmlError: The inner loop can't be differentiated.
        """
        self.built()
        return mean_over_tasks(self, episode)

    @property
    def loss_scale(self) -> float:
        """What the Trainer's gradient scaler multiplies a loss by, in 16 bits; else 1.

        Outer gradients are taken of the scaled loss, so that halves of floats hold them.
        """
        scaler = getattr(getattr(self._trainer, "precision_plugin", None), "scaler", None)
        return 1.0 if scaler is None else float(scaler.get_scale())

    # Predicting

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Adapt to the support of one task and return the scores of ``x``."""
        problem = self.problem()
        params = problem.adapted(support) if len(support.x) else problem.start()
        with torch.no_grad():
            return problem.scores(params, x)

    def predict_by(self, adapter: TargetAdapter, support: Batch, x: Tensor) -> Tensor:
        """Adapt to the support by the strategy of a test and return the scores of ``x``."""
        if type(self).predict is not GradientLearner.predict:
            if adapter.strategy is not self.strategy or adapter.new_head:
                raise TlmlError(
                    f"adapt: {type(self).__name__} predicts by a method of its own, which takes "
                    f"no {type(adapter.strategy).__name__} and no new head; leave both out, or "
                    "override predict_by(adapter, support, x) instead"
                )
            return self.predict(support, x)
        return self.problem(adapter).predict(support, x)

    def together(self, adapter: TargetAdapter, x: Tensor) -> Together | None:
        """Return what adapts to several tasks of an evaluation at once, and say in the log."""
        own = type(self)
        alone = own.predict is GradientLearner.predict
        if not alone or own.predict_by is not GradientLearner.predict_by or not len(x):
            return None
        found = Together(self, adapter, x)
        how = f"one by one: {found.lack}" if found.lack else "together, on stacked parameters"
        rank_zero_info(f"{own.__name__}: tasks of an evaluation are adapted to {how}")
        return found

    def played_with(
        self, problem: InnerProblem, params: Params, environments: Environments
    ) -> Sequence[tuple[float, int]]:
        """Act in the environments of one task with other parameters than the network's own.

        An agent that writes this, and a loss for `tlml.data.Trials`, adapts to each task of a test.

        Args:
            problem: The inner problem, which knows the network.
            params: Its parameters.
            environments: Where.

        Returns:
            Each episode's return and its steps.
        """
        raise TlmlError(f"{type(self).__name__} can't act; environments need a learner that plays")

    @property
    def adapts_by_acting(self) -> bool:
        """Whether it adapts to a task by rollouts in it, and not by examples."""
        return type(self).played_with is not GradientLearner.played_with

    def plays(self, environments: Environments) -> Iterable[Played]:
        """Yield how episodes of a task went before any step of the strategy, and after each.

        The view's strategy adapts, or else the learner's own, by rollouts in the task.

        Raises:
            TlmlError: The view asks for an adaptation, and this learner has none.
            DivergedError: Parameters are NaN or infinite after a step.
        """
        view = self.current_view()
        if not self.adapts_by_acting or not isinstance(view, EnvView):
            yield from super().plays(environments)
            return
        if not self._adapting:
            self._adapting = (adapter_for(self, view), None)
        for each in self.adaptation(environments, view, self._adapting[0]):
            played = self.played_with(each.problem, each.params, environments)
            yield Played(played, each.env_steps, each.gradient_steps)

    def adaptation(
        self, environments: Environments, view: EnvView, adapter: TargetAdapter | None = None
    ) -> Iterator[Adapted]:
        """Yield where an adaptation to a task begins, and where it is after each step.

        Args:
            environments: Those of the task.
            view: What it is a task of; its strategy adapts, or else the learner's own.
            adapter: What was prepared for the view.

        Raises:
            DivergedError: Parameters are NaN or infinite after a step.
        """
        adapter = (adapter or adapter_for(self, view)).turned_to(
            (self.seed, view.seed, SPLITS.index(environments.split), environments.index)
        )
        trials, problem = Trials([environments]), self.problem(adapter)
        with keyed_draws((adapter.seed,), self.device), constant(adapter.strategy):
            start = problem.start()
            yield Adapted(problem, start)
            for step, params in enumerate(problem.steps(start, trials), 1):
                _check_finite(adapter, params, environments.index, step)
                yield Adapted(problem, params, trials.env_steps, adapter.attempt.calls)

    def diverged_at(self, adapter: TargetAdapter, support: Batch) -> int | None:
        """Return the inner step after which parameters aren't finite, from 1 on, if one is so."""
        return self.problem(adapter).diverged_at(support)

    def loss_name(self) -> str | None:
        """Return the name of the loss; None: by the targets."""
        return self.criterion

    def _build(self, network: nn.Module) -> None:
        super()._build(network)
        self.stacks_calls = None


def _check_finite(adapter: TargetAdapter, params: Params, task: int, step: int) -> None:
    if not all(bool(torch.isfinite(value).all()) for value in params.values()):
        raise DivergedError(
            f"task {task}: adapting by {type(adapter.strategy).__name__} diverged at inner step "
            f"{step} (NaN or infinity); lower its lr"
        )

"""What a learner adapts with while it is tested on the tasks of a view."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn

from tlml.data.counts import lowest
from tlml.data.domains import Domain
from tlml.data.spaces import outputs, same_space
from tlml.data.tasks import Params
from tlml.errors import TlmlError
from tlml.learners.target_kinds import check_target_kind
from tlml.meta.contract import Problem
from tlml.networks.build import seeded_draws, zeros
from tlml.networks.heads import check_head, head_for
from tlml.networks.parameters import fresh_parameters, frozen_parameters
from tlml.strategies.gradients import FirstOrder, Loss, by_autograd
from tlml.strategies.loss_terms import features_with, of_target, passes
from tlml.strategies.strategy import Strategy, has_terms, overrides
from tlml.views.base import ViewSpaces
from tlml.views.env import EnvView
from tlml.views.episode import EpisodeView


class Adaptable(Protocol):
    """What preparing an adapter reads of a learner."""

    strategy: Strategy
    seed: int
    training: bool
    view_spaces: ViewSpaces | None

    @property
    def device(self) -> torch.device:
        """Where it is."""


@dataclass
class Attempt:
    """One adaptation to one task, and what it takes.

    Args:
        key: The task at hand; what is drawn in adapting to it is a function of it.
        unlabelled: The task's inputs that may be used without labels: those of its query.
        calls: How often the loss was asked for: the gradient steps.
        buffers: What replaces the network's buffers on this task, by name.
    """

    key: tuple[int, ...] = (0,)
    unlabelled: Tensor | None = None
    calls: int = 0
    buffers: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetAdapter:
    """A strategy at work on target tasks.

    Args:
        strategy: What adapts.
        module: What it adapts: the learner's network, or a copy that it is attached to. None: the
            learner has no network.
        space: The targets' space of the tasks.
        new_head: Whether the head is new, of zeros, in the size of `space`.
        same_labels: Whether the labels mean what they meant in training.
        domain: What the tasks are of; None: nothing that has metrics of its own.
        attempt: The adaptation to the task at hand.
    """

    strategy: Strategy
    module: nn.Module | None
    space: Space[Any]
    new_head: bool = False
    same_labels: bool = True
    domain: Domain[Any] | None = None
    attempt: Attempt = field(default_factory=Attempt)

    def turned_to(self, key: tuple[int, ...], unlabelled: Tensor | None = None) -> TargetAdapter:
        """Return the adapter for another task, as yet not begun."""
        return replace(self, attempt=Attempt(key, unlabelled))

    @property
    def network(self) -> nn.Module:
        """The network that is adapted."""
        if self.module is None:
            raise TlmlError(f"{type(self.strategy).__name__}: there is no network to adapt")
        return self.module

    @property
    def buffers(self) -> Params:
        """What replaces the network's buffers on this task, by name."""
        return self.attempt.buffers

    @property
    def frozen(self) -> frozenset[str]:
        """What a user froze; a new head is not."""
        if self.strategy.thaws:
            return frozenset()
        found = frozen_parameters(self.network)
        return found - self._new_head().keys() if found else found

    @property
    def first_order(self) -> bool:
        """True: no outer step comes after a test."""
        return True

    @property
    def seed(self) -> int:
        """The seed of the task at hand."""
        return int(np.random.SeedSequence(self.attempt.key).generate_state(1)[0])

    def start(self, tasks: int | None = None) -> dict[str, Tensor]:
        """Return where the strategy starts, and let it look at the task."""
        network, head = self.network, self._new_head()
        params = {name: value.detach() for name, value in network.named_parameters()} | head
        begun = self.strategy.start(params, lambda: fresh_parameters(network, self.seed) | head)
        begun = {**begun, **{name: params[name] for name in self.frozen}}
        self._begin(network, begun)
        return begun

    def inner_loss(self, problem: Problem) -> Loss:
        """Return the problem's loss, with the strategy's terms where they act in adaptation."""
        adds = has_terms(self.strategy, "adaptation")
        return FirstOrder(with_terms(self, problem) if adds else problem.loss, by_autograd)

    def count(self) -> None:
        """Count a gradient step."""
        self.attempt.calls += 1

    def free(self) -> Tensor:
        """Return the inputs without labels that the strategy adapts to.

        Raises:
            TlmlError: There are none.
        """
        found = self.attempt.unlabelled
        if found is None or not len(found):
            raise TlmlError(
                f"{type(self.strategy).__name__} adapts to target inputs without labels, and there "
                "are none"
            )
        return found

    def _new_head(self) -> dict[str, Tensor]:
        return head_for(self.network, outputs(self.space)) if self.new_head else {}

    def _begin(self, network: nn.Module, params: Params) -> None:
        if overrides(self.strategy, "begin"):
            like = next(iter(params.values()))
            x = self.free() if self.strategy.unlabelled else like.new_zeros(0)
            x = x.to(like.dtype) if x.is_floating_point() else x
            self.attempt.buffers = dict(self.strategy.begin(network, params, x))


def adapter_for(learner: Adaptable, view: EpisodeView | EnvView) -> TargetAdapter:
    """Prepare a learner for the tasks of a view, with the view's strategy or the learner's own.

    Raises:
        TlmlError: The kept head has another meaning or size than the tasks' labels, or the strategy
            needs targets of another kind.
    """
    network: nn.Module | None = getattr(learner, "network", None)
    strategy = learner.strategy
    if view.adapt is not None and view.adapt is not strategy:
        strategy = copy.deepcopy(view.adapt).to(learner.device).train(learner.training)
        if network is not None and overrides(strategy, "attach"):
            network = copy.deepcopy(network)
        with seeded_draws(learner.seed):
            strategy.claim(network)
        if type(strategy) is type(learner.strategy):
            _take_what_was_learned(strategy, learner.strategy)
    trained = learner.view_spaces
    spaces = view.test_spaces if isinstance(view, EpisodeView) else view.spaces
    check_target_kind("strategy", type(strategy), spaces.y)
    new = takes_new_head(view.head, trained, spaces, "tasks have") and network is not None
    if new and isinstance(view, EpisodeView) and not lowest(view.shots):
        raise TlmlError(
            "shots: 0 labelled examples train no new head; take head='kept', on a domain whose "
            "labels mean what they meant in training"
        )
    if network is not None and (new or strategy.needs_head):
        check_head(network, zeros(spaces.x, network))
    fits = trained is None or trained.same_labels(spaces)
    return TargetAdapter(strategy, network, spaces.y, new, fits, view.domain)


def takes_new_head(
    asked: str | None, trained: ViewSpaces | None, spaces: ViewSpaces, whose: str
) -> bool:
    """Return whether a head for other targets is needed: as asked, or as the labels mean.

    Args:
        asked: ``kept``, ``new`` or None.
        trained: The spaces that the learner was trained for; None: any.
        spaces: The spaces of what it is adapted to.
        whose: Who has these, for the error.

    Raises:
        TlmlError: The head that is to be kept has another size.
    """
    if asked == "kept" and trained is not None and not same_space(trained.y, spaces.y):
        raise TlmlError(
            f"head: 'kept' does not fit: the learner was trained for {trained.y}, the {whose} "
            f"{spaces.y}; take head='new'"
        )
    return not (trained is None or trained.same_labels(spaces)) if asked is None else asked == "new"


def with_terms(adapter: TargetAdapter, problem: Problem) -> Loss:
    """Return the loss of a test's inner steps, with the terms of the strategy that adapts.

    A step takes one forward pass of the labelled examples, if there are any, and one of the
    unlabelled where the strategy looks at them.
    """
    strategy, network, attempt = adapter.strategy, adapter.network, adapter.attempt

    def loss(params: Params, batch: Any) -> Tensor:
        losses: list[Tensor] = []
        with passes(network) as seen:
            if len(batch.x):
                losses.append(problem.loss(params, batch))
            else:
                adapter.count()
            if strategy.unlabelled:
                problem.scores(params, adapter.free())
        progress = min((attempt.calls - 1) / max(strategy.max_steps, 1), 1.0)
        policy, x = problem.policy, seen[-1].x
        context = of_target(
            network, seen[-1], params, progress,
            lambda tensors: features_with(network, tensors, x, policy),
        )  # fmt: skip
        return torch.stack([*losses, *strategy.terms(context).values()]).sum()

    return loss


def _take_what_was_learned(strategy: Strategy, trained: Strategy) -> None:
    """Give a strategy what one of its kind learned in training, such as inner rates."""
    own, theirs = strategy.state_dict(), trained.state_dict()
    if not own.keys() <= theirs.keys():
        return  # it learns what the other did not
    for name, value in own.items():
        if isinstance(value, Tensor) and value.shape != theirs[name].shape:
            raise TlmlError(
                f"adapt: what {type(strategy).__name__} learned as '{name}' has the shape "
                f"{list(theirs[name].shape)}, and these options need {list(value.shape)}; leave "
                "them as in training (test_steps changes the steps of a test)"
            )
    strategy.load_state_dict({name: theirs[name] for name in own})

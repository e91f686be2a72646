"""What a learner adapts with while it is tested on the tasks of a view."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn

from tlml.data.counts import lowest
from tlml.data.domains import Domain
from tlml.data.spaces import same_space
from tlml.data.tasks import Params
from tlml.errors import TlmlError
from tlml.networks.build import keyed
from tlml.strategies.gradients import Loss
from tlml.strategies.loss_terms import features_with, of_target, passes
from tlml.strategies.strategy import Strategy, overrides
from tlml.views.episode import EpisodeView

if TYPE_CHECKING:
    from tlml.learners.gradient_learner import GradientLearner
    from tlml.learners.learner import Learner


@dataclass
class Carry:
    """A strategy at work on target tasks.

    Args:
        strategy: What adapts.
        network: What it adapts: the learner's, or a copy that it is attached to. None: no network.
        space: The targets' space of the tasks.
        new_head: Whether the head is new, of zeros, in the size of `space`.
        same_labels: Whether the labels mean what they meant in training.
        domain: What the tasks are of; None: nothing that has metrics of its own.
        key: The task at hand; re-initialisations are a function of it.
        calls: How often the loss was asked for on this task: the gradient steps.
        unlabelled: The task's inputs that may be used without labels: those of its query.
        buffers: What replaces the network's buffers on this task, by name.
    """

    strategy: Strategy
    network: nn.Module | None
    space: Space[Any]
    new_head: bool = False
    same_labels: bool = True
    domain: Domain[Any] | None = None
    key: tuple[int, ...] = field(default=(0,))
    calls: int = 0
    unlabelled: Tensor | None = None
    buffers: dict[str, Tensor] = field(default_factory=dict)

    def seed(self) -> int:
        """Return the seed of the task at hand."""
        return int(np.random.SeedSequence(self.key).generate_state(1)[0])

    def turn_to(self, key: tuple[int, ...], unlabelled: Tensor | None = None) -> None:
        """Begin with another task."""
        self.key, self.calls, self.unlabelled, self.buffers = key, 0, unlabelled, {}

    def begin(self, network: nn.Module, params: Params) -> None:
        """Let the strategy look at the task before its first step."""
        if overrides(self.strategy, "begin"):
            like = next(iter(params.values()))
            x = self.free() if self.strategy.unlabelled else like.new_zeros(0)
            x = x.to(like.dtype) if x.is_floating_point() else x
            self.buffers = dict(self.strategy.begin(network, params, x))

    def free(self) -> Tensor:
        """Return the inputs without labels that the strategy adapts to.

        Raises:
            TlmlError: There are none.
        """
        if self.unlabelled is None or not len(self.unlabelled):
            raise TlmlError(
                f"{type(self.strategy).__name__} adapts to target inputs without labels, and there "
                "are none"
            )
        return self.unlabelled


def carry_for(learner: Learner, view: EpisodeView) -> Carry:
    """Prepare a learner for the tasks of a view, with the view's strategy or the learner's own.

    Raises:
        TlmlError: The kept head has another meaning or size than the tasks' labels.
    """
    network: nn.Module | None = getattr(learner, "network", None)
    strategy = learner.strategy
    if view.adapt is not None and view.adapt is not strategy:
        strategy = copy.deepcopy(view.adapt).to(learner.device)
        if network is not None and overrides(strategy, "attach"):
            network = copy.deepcopy(network)
        with keyed(learner.seed):
            strategy.claim(network)
        if type(strategy) is type(learner.strategy):
            _take_what_was_learned(strategy, learner.strategy)
    spaces, trained = view.test_spaces, learner.view_spaces
    fits = trained is None or trained.same_labels(spaces)
    head = view.head or ("kept" if fits else "new")
    if head == "kept" and trained is not None and not same_space(trained.y, spaces.y):
        raise TlmlError(
            f"head: 'kept' does not fit: the learner was trained for {trained.y}, the tasks have "
            f"{spaces.y}; take head='new'"
        )
    new = head == "new" and network is not None
    if new and not lowest(view.shots):
        raise TlmlError(
            "shots: 0 labelled examples train no new head; take head='kept', on a domain whose "
            "labels mean what they meant in training"
        )
    return Carry(strategy, network, spaces.y, new_head=new, same_labels=fits, domain=view.domain)


def _take_what_was_learned(strategy: Strategy, trained: Strategy) -> None:
    """Give a strategy what one of its kind learned in training, such as inner rates.

    Raises:
        TlmlError: It was learned for other shapes.
    """
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


def with_terms(learner: GradientLearner) -> Loss:
    """Return the loss of a test's inner steps, with the terms of the strategy that adapts.

    A step takes one forward pass of the labelled examples, if there are any, and one of the
    unlabelled where the strategy looks at them.
    """
    carry = learner.carry
    assert carry is not None
    strategy, network = carry.strategy, carry.network or learner.built()

    def loss(params: Params, batch: Any) -> Tensor:
        losses: list[Tensor] = []
        with passes(network) as seen:
            if len(batch.x):
                losses.append(learner.loss(params, batch))
            else:
                carry.calls += 1
            if strategy.unlabelled:
                learner.scores(params, carry.free())
        progress = min((carry.calls - 1) / max(strategy.max_steps, 1), 1.0)
        policy, x = learner.policy, seen[-1].x
        context = of_target(
            network, seen[-1], params, progress,
            lambda tensors: features_with(network, tensors, x, policy),
        )  # fmt: skip
        return torch.stack([*losses, *strategy.terms(context).values()]).sum()

    return loss

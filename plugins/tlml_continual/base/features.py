"""Features of a network that stays as it is, and classes told by the nearest mean of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from tlml import Examples, Step, StoredExamples, Strategy, StreamView, TlmlError, View
from tlml.learners import load
from tlml.networks import evaluating, head_inputs, head_name
from tlml.registry import default_registry
from tlml.views import ViewSpaces
from tlml_continual.base.in_place import InPlaceLearner
from tlml_continual.memories.memory import zeros


class FeatureLearner(InPlaceLearner):
    """Learns from features that stay as they are: no gradient, and the order does not matter.

    Features are what the network's head is given, in evaluation mode. Good ones come from a
    network that was trained on much else: a module, or, by `pretrained`, what another learner
    learned. A network of random weights works as well; its features are random then.

    Each example counts once, in the first epoch of its task.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        pretrained: Path of a checkpoint of a learner with the same kind of network, of which all
            parameters but the head's are taken.
        **options: Those of `tlml.GradientLearner`, but for what says how an optimiser steps.

    Attributes:
        counts: How many examples of each class there were ``[classes]``.

    Raises:
        TlmlError: As of `InPlaceLearner`, or the checkpoint's network is of another kind.
    """

    counts: Tensor
    aligns: ClassVar[bool] = False
    unused: ClassVar[tuple[str, ...]] = (*InPlaceLearner.unused, "lr", "weight_decay")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        pretrained: str | None = None,
        **options: Any,
    ) -> None:
        self.pretrained = pretrained
        # A checkpoint of one's own holds what was taken; the other one may be gone by then.
        self._restored = options.get("spaces") is not None
        super().__init__(network, strategy, **options)

    @abstractmethod
    def learn(self, features: Tensor, y: Tensor) -> None:
        """Learn from features ``[n, d]`` in float64 of examples of the classes `y` ``[n]``."""

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for how many examples of each class there were."""
        super().prepare(spaces)
        classes = class_count(self, spaces)
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))

    def update(self, step: Step) -> None:
        """Learn from a batch, if it is of the first epoch of its task."""
        view = self.current_view()
        if not isinstance(view, StreamView) or self.current_epoch % view.epochs == 0:
            x, y = step.batch
            self.learn(self.features(x).double(), y)
            self.counts += torch.bincount(y, minlength=len(self.counts))

    def remarks(self, view: StreamView) -> Iterator[str]:
        """Yield nothing: the network stays as it is."""
        yield from ()

    def features(self, x: Tensor) -> Tensor:
        """Return what the head is given for inputs ``[n, ...]``, flat ``[n, d]``."""
        return features_of(self.built(), self._like(x))

    def feature_size(self, spaces: ViewSpaces) -> int:
        """Return how many features there are, d."""
        return self.features(zeros(2, spaces.x).to(self.device)).shape[1]

    def _build(self, network: nn.Module) -> None:
        super()._build(network)
        if self.pretrained is not None and not self._restored:
            take_body(network, self.pretrained)


def features_of(network: nn.Module, x: Tensor) -> Tensor:
    """Return what a network's head is given for inputs ``[n, ...]``, flat ``[n, d]``.

    In evaluation mode and without gradients, of 32 bits at least.
    """
    with torch.no_grad(), evaluating(network), head_inputs(network) as seen:
        network(x)
    features = seen[0].flatten(1)
    return features.to(torch.promote_types(features.dtype, torch.float32))


def nearest_mean(features: Tensor, means: Tensor, known: Tensor) -> Tensor:
    """Return scores ``[n, classes]`` that are the higher, the nearer a class's mean is.

    They are -‖f - μ‖² + ‖f‖², where the last term is the same for all classes.

    Args:
        features: ``[n, d]``.
        means: ``[classes, d]``.
        known: Which classes have one ``[classes]``; all others come behind them.
    """
    with torch.autocast(features.device.type, enabled=False):  # 16 bits would tie classes
        scores = 2 * features @ means.T - means.square().sum(1)
    return behind(scores, known)


def behind(scores: Tensor, known: Tensor) -> Tensor:
    """Return scores ``[n, classes]`` with those of unknown classes below all others."""
    return torch.where(known, scores, scores.amin(1, keepdim=True) - 1)


def class_count(learner: nn.Module, spaces: ViewSpaces) -> int:
    """Return how many classes there are.

    Raises:
        TlmlError: Targets are values.
    """
    if not isinstance(spaces.y, Discrete):
        name = default_registry().name_of(type(learner))
        raise TlmlError(
            f"{name}: it keeps something of each class, and the targets are values ({spaces.y}); "
            "take er, or a domain with classes"
        )
    return int(spaces.y.n)


def examples_that_ended(view: View | None, task: int) -> list[Examples | StoredExamples]:
    """Return the examples of a task of a stream, or of all where they came as one."""
    assert isinstance(view, StreamView), "tasks end in a stream"
    places = range(view.number_of_tasks) if view.joint else (task,)
    return [view.learned_from(place) for place in places]


def take_body(network: nn.Module, path: str) -> None:
    """Give a network the parameters and buffers of a saved learner's, but for the head's.

    Raises:
        TlmlError: That one is of another kind.
    """
    given = getattr(load(path), "network", None)
    if not isinstance(given, nn.Module):
        raise TlmlError(f"pretrained: the learner in {path} has no network")
    name = head_name(network)
    head = f"{name}." if name else ""  # empty where the whole network is the head
    own, theirs = network.state_dict(), given.state_dict()
    body = {name: value for name, value in theirs.items() if not name.startswith(head)}
    for name, value in own.items():
        if not name.startswith(head) and (name not in body or body[name].shape != value.shape):
            raise TlmlError(
                f"pretrained: the network in {path} has no '{name}' of the shape "
                f"{list(value.shape)}; take the network and the options that it was made with"
            )
    network.load_state_dict({**own, **{name: body[name] for name in own if name in body}})

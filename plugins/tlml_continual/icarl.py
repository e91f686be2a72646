"""iCaRL (Rebuffi, Kolesnikov, Sperl & Lampert 2017, arXiv 1611.07725)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Examples, Step, StoredExamples, Strategy, StreamView, TlmlError
from tlml.networks import NamedBuffers, call_with, evaluating
from tlml.views import ViewSpaces
from tlml_continual.base.features import class_count, examples_that_ended, features_of, nearest_mean
from tlml_continual.base.stream_learner import MemoryLearner, check_replay
from tlml_continual.memories.exemplars import ExemplarSets, herd

Held = Examples | StoredExamples
_CHUNK = 256


class Icarl(MemoryLearner[ExemplarSets]):
    """Classify by the nearest mean of exemplars, with features that distillation keeps.

    - Algorithm 1: the class whose exemplars' mean feature is nearest is predicted. Features φ and
      means have length 1.
    - Algorithm 2: when a task ends, each of the t classes so far keeps m = K / t exemplars.
    - Algorithm 3: on new examples and exemplars, g_y = sigmoid of output y learns the labels of new
      classes, and for old classes what the network gave at the end of the last task, by binary
      cross-entropy, summed over classes.
    - Algorithm 4: exemplars of a new class are chosen by herding, in an order, so that
    - Algorithm 5: the first of them are what stays when there are more classes.

    A class that comes again in another task is learned as a new one, and its exemplars are chosen
    among new and old ones; where all tasks have the same classes nothing is distilled.

    The paper shuffles all exemplars into each epoch of a task; here each batch has `replay` of them
    beside it. The head has all outputs from the beginning, as in the authors' code, and those of
    classes to come learn that it is none of them.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        memory_size: Exemplars K of all classes together.
        replay: Exemplars beside each batch, drawn with replacement.
        **options: Those of `StreamLearner`.

    Attributes:
        known: Which classes were learned when the last task ended ``[classes]``.

    Raises:
        TlmlError: An option is out of range, targets are values, there are more classes than
            exemplars, or the network does not fit.
    """

    known: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        memory_size: int = 200,
        replay: int = 10,
        **options: Any,
    ) -> None:
        check_replay(replay, memory_size)
        self.replay = replay
        super().__init__(network, strategy, memory_size=memory_size, **options)
        self.old = NamedBuffers()

    def new_memory(self, spaces: ViewSpaces) -> ExemplarSets:
        """Return room for exemplars."""
        return ExemplarSets(self.memory_size, spaces)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for exemplars, and for which classes are known."""
        classes = class_count(self, spaces)
        if self.memory_size < classes:
            raise TlmlError(
                f"memory_size: {self.memory_size} exemplars are less than one for each of "
                f"{classes} classes; raise it"
            )
        super().prepare(spaces)
        self.register_buffer("known", torch.zeros(classes, dtype=torch.bool))

    # Algorithm 1

    def predict_now(self, x: Tensor) -> Tensor:
        """Score the classes by how near the mean of their exemplars is; others are behind."""
        memory, features = self.kept_examples(), self.features(x)
        own = self.features(memory.x[: len(memory)]) if len(memory) else features[:0]
        labels = memory.y[: len(memory)]
        sums = features.new_zeros(len(self.known), features.shape[1]).index_add(0, labels, own)
        there = torch.bincount(labels, minlength=len(sums)) > 0
        return nearest_mean(features, F.normalize(sums, dim=1), there)

    def features(self, x: Tensor) -> Tensor:
        """Return φ ``[n, d]`` of inputs ``[n, ...]``, of length 1."""
        return F.normalize(features_of(self.built(), self._like(x)), dim=1)

    # Algorithm 2

    def consolidate(self, task: int) -> None:
        """Choose exemplars of the classes of a task, and keep what the network gives now."""
        ended = examples_that_ended(self.current_view(), task)
        new = torch.unique(torch.cat([data.y for data in ended]))
        self.known[new.to(self.known.device)] = True
        most = self.memory_size // int(self.known.sum())
        self.kept_examples().reduce(most)
        for label in new.tolist():
            self._choose(label, ended, most, task)
        network = self.built()
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            self.old[name] = value.clone()

    def _choose(self, label: int, ended: Sequence[Held], most: int, task: int) -> None:
        """Choose exemplars of a class among its new examples and those it had."""
        memory = self.kept_examples()
        had = memory.places_of(label)
        new = [data.x[(data.y == label).nonzero().flatten()].to(memory.x) for data in ended]
        x = torch.cat([memory.x[had], *new])
        tasks = torch.cat([memory.task[had], memory.task.new_full((len(x) - len(had),), task)])
        chosen = herd(torch.cat([self.features(some) for some in torch.split(x, _CHUNK)]), most)
        memory.replace(label, x[chosen], tasks[chosen])

    # Algorithm 3

    def glance_loss(self, step: Step) -> Tensor:
        """Return the classification and distillation loss on own and replayed examples."""
        (x, y), _ = self.rehearsed(step, self.replay)
        scores = self.scores_of(x)
        targets = F.one_hot(y, scores.shape[1]).to(scores)
        old = self.old_classes(step.task)
        if bool(old.any()):
            targets = torch.where(old, self.given_before(x), targets)
        loss = F.binary_cross_entropy_with_logits(scores, targets, reduction="sum")
        return loss / len(y)

    def old_classes(self, task: Tensor) -> Tensor:
        """Return which classes are known, and not of the task of a batch ``[classes]``."""
        old, view = self.known.clone(), self.current_view()
        if isinstance(view, StreamView):
            own = view.classes_of(int(task[0]))
            old[own.start : own.stop] = False
        return old

    def given_before(self, x: Tensor) -> Tensor:
        """Return q ``[n, classes]``, what the network of the last task's end gives."""
        network = self.built()
        with torch.no_grad(), evaluating(network):
            scores: Tensor = call_with(network, dict(self.old), self._like(x))
        return scores.sigmoid()

"""Learning without forgetting (Li & Hoiem 2016, arXiv 1606.09282)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Step, Strategy, StreamView
from tlml.errors import check_not_negative, check_positive
from tlml.networks import NamedBuffers, call_with, evaluating
from tlml.views import ViewSpaces
from tlml_continual.base.stream_learner import StreamLearner


class Lwf(StreamLearner):
    """Keep giving for new inputs what the network gave at the end of the last task.

    The loss is that on the batch plus λ times the cross-entropy from the old network's
    probabilities to the new one's, both of scores divided by T (equations 1 to 3): summed over the
    old tasks' classes each by itself where ``scenario="task"`` tells tasks apart, as in the paper;
    over all old classes together where classes come one after the other; over all classes where
    tasks share them. Of values the squared distance to what the old network gave is taken. The
    paper's warm-up, which first trains the new classes' outputs alone, is left out.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        strength: Weight λ of what the old network gave.
        temperature: What T scores are divided by.
        **options: Those of `StreamLearner`.

    Attributes:
        teacher: Parameters and buffers of the network at the end of the last task.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    equal_buffers: ClassVar[bool] = True
    learned: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        strength: float = 1.0,
        temperature: float = 2.0,
        **options: Any,
    ) -> None:
        check_not_negative(strength=strength)
        check_positive(temperature=temperature)
        self.strength, self.temperature = strength, temperature
        super().__init__(network, strategy, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for the old network."""
        super().prepare(spaces)
        self.teacher = NamedBuffers()
        self.register_buffer("learned", torch.zeros((), dtype=torch.int64))

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss on the batch, and the distance to what the old network gives for it."""
        scores = self.scores_of(step.batch.x)
        loss = self.loss_of(scores, step.batch.y, step.task)
        if not self.teacher:
            return loss
        old = self.taught(step.batch.x)
        if step.batch.y.is_floating_point():
            return loss + self.strength * F.mse_loss(scores, old)
        return loss + self.strength * self.distillation(scores, old, self._heads())

    def consolidate(self, task: int) -> None:
        """Take the network as the teacher of the next task."""
        network = self.built()
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            self.teacher[name] = value.detach().clone()
        self.learned.fill_(task + 1)

    def taught(self, x: Tensor) -> Tensor:
        """Return what the old network gives."""
        network = self.built()
        with torch.no_grad(), evaluating(network):
            given: Tensor = call_with(network, dict(self.teacher), self._like(x))
        return given

    def distillation(self, scores: Tensor, old: Tensor, heads: list[slice]) -> Tensor:
        """Return the cross-entropy from old to new probabilities, summed over some heads.

        Args:
            scores: ``[n, classes]``.
            old: What the old network gave, of the same shape.
            heads: Which classes are normalised together.
        """
        new, old = scores / self.temperature, old / self.temperature
        losses = [F.cross_entropy(new[:, head], old[:, head].softmax(1)) for head in heads]
        return torch.stack(losses).sum()

    def _heads(self) -> list[slice]:
        """Return the classes of the old tasks: each task's, or all together."""
        view, learned = self.current_view(), int(self.learned)
        if not isinstance(view, StreamView) or view.joint:
            return [slice(None)]
        own = [view.classes_of(task) for task in range(learned)]
        if view.scenario == "task":
            return [slice(classes.start, classes.stop) for classes in own]
        return [slice(0, own[-1].stop)]

"""Dark experience replay (Buzzega et al. 2020, arXiv 2004.07211), DER++ of section 3."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from tlml import Step, Strategy, TlmlError
from tlml.errors import check_not_negative
from tlml_continual.base.stream_learner import RehearsingLearner


class Der(RehearsingLearner):
    """Rehearse what the network gave for old examples, and their targets.

    The loss is that on the batch, plus α times the mean squared distance to the logits that were
    kept (equation 5), plus β times the loss on the targets of other kept examples (equation 6).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        alpha: Weight α of the logits.
        beta: Weight β of the targets; 0 is DER.
        memory_size: Examples that are kept, of all tasks together.
        replay: Examples drawn from the memory for each of both terms.
        **options: Those of `StreamLearner`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    kept_scores: ClassVar[bool] = True

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        alpha: float = 0.5,
        beta: float = 0.5,
        memory_size: int = 200,
        replay: int = 10,
        **options: Any,
    ) -> None:
        check_not_negative(alpha=alpha, beta=beta)
        if not (alpha or beta):
            raise TlmlError("alpha, beta: both are 0, so nothing is rehearsed; take learner naive")
        self.alpha, self.beta = alpha, beta
        super().__init__(network, strategy, memory_size=memory_size, replay=replay, **options)

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss on the batch and both terms of the memory."""
        scores = self.scores_of(step.batch.x)
        self._given = scores.detach()
        loss = self.loss_of(scores, step.batch.y, step.task)
        memory = self.kept_examples()
        if not len(memory):
            return loss
        places = memory.draw(self.replay)
        distance = self.scores_of(memory.x[places]) - self._like(memory.logits[places])
        loss = loss + self.alpha * distance.square().mean()
        if self.beta:
            places = memory.draw(self.replay)
            given = self.scores_of(memory.x[places])
            loss = loss + self.beta * self.loss_of(given, memory.y[places], memory.task[places])
        return loss

    def remember(self, step: Step) -> None:
        """Show the examples to the memory, with what the network gave for them."""
        self.kept_examples().push(step.batch, step.task, self._given)

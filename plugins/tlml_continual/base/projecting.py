"""What learners share that project gradients against those on old tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml import Step
from tlml_continual.base.flat import slopes_by
from tlml_continual.base.stream_learner import RehearsingLearner


class ProjectingLearner(RehearsingLearner):
    """Knows the task of the batch that is looked at, and takes gradients on the memory."""

    present = 0  # the task of the batch that is looked at

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss on the batch."""
        self.present = int(step.task.min())
        return super().glance_loss(step)

    def tasks_kept(self) -> Tensor:
        """Return the task of each example that the memory holds ``[n]``."""
        memory = self.kept_examples()
        return memory.task[: len(memory)]

    def slopes_at(self, places: Tensor) -> Tensor:
        """Return the gradient of the mean loss on some places of the memory ``[P]``."""
        memory = self.kept_examples()
        with torch.enable_grad():
            scores = self.scores_of(memory.x[places])
            loss = self.loss_of(scores, memory.y[places], memory.task[places])
            return slopes_by(loss, self.built())


def draw_from(places: Tensor, n: int) -> Tensor:
    """Return `n` of some places, drawn with replacement ``[n]``."""
    return places[torch.randint(len(places), (n,)).to(places.device)]

"""Experience replay (Chaudhry et al. 2019, arXiv 1902.10486)."""

from __future__ import annotations

from torch import Tensor

from tlml import Step
from tlml_continual.base.stream_learner import RehearsingLearner


class Er(RehearsingLearner):
    """Step down the mean loss of a batch and of as many examples of the memory as `replay` says.

    Algorithm 1 of the paper with a reservoir (algorithm 3): draw from the memory (line 5), step
    down the loss on both together (line 6), show the batch to the memory (line 7).
    """

    def glance_loss(self, step: Step) -> Tensor:
        """Return the mean loss over own and replayed examples."""
        return super().glance_loss(self.rehearsed(step, self.replay))

"""Averaged gradient episodic memory (Chaudhry et al. 2019, arXiv 1812.00420)."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

from tlml_continual.base.flat import put_slopes, slopes_of
from tlml_continual.base.projecting import ProjectingLearner, draw_from


class Agem(ProjectingLearner):
    """Step down the loss of a batch as far as that does not raise the loss on old tasks.

    With g the gradient on the batch and r that on `replay` examples of old tasks, the step is along
    g where g·r ≥ 0, and else along g − (g·r / r·r) r (equation 11, algorithm 2).

    The paper keeps equally many examples of each task. Here the memory is a uniform sample of all
    that came, as everywhere in tlml: `memory_size` then holds whatever the number of tasks, which
    nobody needs to know before, and tasks of equal length have equal shares on the average. What it
    holds of the present task is not drawn.

    The paper draws more than the default, 256 examples where its memory allows it: r is the less
    noisy, the larger `replay` is.
    """

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Project the gradient where it would raise the loss on old tasks."""
        reference = self.reference()
        if reference is not None:
            network = self.built()
            put_slopes(network, projected(slopes_of(network), reference))

    def reference(self) -> Tensor | None:
        """Return the gradient on examples of old tasks ``[P]``, if there are any."""
        old = (self.tasks_kept() < self.present).nonzero().squeeze(1)
        return self.slopes_at(draw_from(old, self.replay)) if len(old) else None


def projected(slope: Tensor, reference: Tensor) -> Tensor:
    """Return the nearest gradient to `slope` that does not go against `reference` (equation 11)."""
    product = slope @ reference
    if product >= 0:
        return slope
    return slope - product / (reference @ reference) * reference

"""Gradient episodic memory (Lopez-Paz & Ranzato 2017, arXiv 1706.08840)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor, nn
from torch.optim import Optimizer

from tlml import Strategy
from tlml.errors import check_not_negative
from tlml_continual.base.flat import put_slopes, slopes_of
from tlml_continual.base.projecting import ProjectingLearner, draw_from

_Values = NDArray[np.float64]


class Gem(ProjectingLearner):
    """Step down the loss of a batch as far as that raises the loss on none of the old tasks.

    With g the gradient on the batch and the rows of G those on the memories of the old tasks, the
    step is along g where G g ≥ 0. Else it is along Gᵀv + g, where v minimises
    ½ vᵀGGᵀv + gᵀGᵀv over v ≥ γ (equation 11): as many variables as old tasks. Without margin
    γ that is the nearest gradient with G g ≥ 0 (equation 7).

    The paper keeps equally many examples of each task. Here the memory is a uniform sample of all
    that came, as everywhere in tlml: `memory_size` then holds whatever the number of tasks, and a
    task of which nothing is left in it limits nothing. Each step takes a backward pass for
    each old task in the memory.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        margin: The γ by which steps lean towards the old tasks.
        memory_size: Examples that are kept, of all tasks together.
        replay: Examples drawn of each old task in each look; all that are kept where None, as in
            the paper.
        **options: Those of `StreamLearner`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        margin: float = 0.5,
        memory_size: int = 200,
        replay: int | None = None,
        **options: Any,
    ) -> None:
        check_not_negative(margin=margin)
        self.margin, self._draws = margin, replay is not None
        all_of_it = memory_size if replay is None else replay
        super().__init__(network, strategy, memory_size=memory_size, replay=all_of_it, **options)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Project the gradient where it would raise the loss on an old task."""
        tasks = [int(task) for task in torch.unique(self.tasks_kept())]  # in order
        old = [self.slopes_on(task) for task in tasks if task < self.present]
        if old:
            network = self.built()
            put_slopes(network, projected(slopes_of(network), torch.stack(old), self.margin))

    def slopes_on(self, task: int) -> Tensor:
        """Return the gradient on what the memory holds of a task ``[P]``."""
        places = (self.tasks_kept() == task).nonzero().squeeze(1)
        return self.slopes_at(draw_from(places, self.replay) if self._draws else places)


def projected(slope: Tensor, old: Tensor, margin: float) -> Tensor:
    """Return a gradient that goes against no old task's.

    Args:
        slope: The gradient g on a batch ``[P]``.
        old: The gradients G on the old tasks ``[T, P]``.
        margin: The least weight of each of them.
    """
    rows, own = old.double(), slope.double()
    products = rows @ own
    if bool((products >= 0).all()):
        return slope
    weights = dual((rows @ rows.T).cpu().numpy(), products.cpu().numpy(), margin)
    return (own + torch.from_numpy(weights).to(rows) @ rows).to(slope)


def dual(gram: _Values, linear: _Values, margin: float) -> _Values:
    """Return the v that minimises ½ vᵀ gram v + linearᵀ v over v ≥ margin (equation 11).

    Args:
        gram: GGᵀ ``[T, T]``.
        linear: G g ``[T]``.
        margin: The bound.
    """
    # Gradients of unit length: how long a task's is says nothing about the angle to it.
    lengths = np.sqrt(gram.diagonal())
    lengths = np.where(lengths > 0, lengths, 1.0)
    values, vectors = np.linalg.eigh(gram / np.outer(lengths, lengths))
    # v = margin + u, and with gram = AᵀA and linear in its span it is least squares over u ≥ 0.
    linear = (linear + margin * gram.sum(1)) / lengths
    there = values > values[-1] * len(values) * np.finfo(np.float64).eps
    roots, vectors = np.sqrt(values[there]), vectors[:, there]
    found, _ = nnls(roots[:, None] * vectors.T, -(vectors.T @ linear) / roots)
    weights: _Values = margin + found / lengths
    return weights

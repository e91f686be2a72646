"""Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tlml import Batch, Episode, Episodes, GradientLearner, Strategy, TlmlError
from tlml.data import Params
from tlml.errors import check_positive
from tlml.meta import InnerProblem
from tlml_maml.outer import fit_length, outer_step


class ReptileProblem(InnerProblem):
    """An inner problem whose loss has the gradient θ − φ, where φ is what the inner loop finds."""

    stackable: ClassVar[bool] = True

    def task_loss(self, support: Batch, query: Batch) -> Tensor:
        """Return the query loss at φ, with the gradient θ − φ."""
        start = self.start()
        at = {name: value.detach() for name, value in start.items()}
        found = self.adapt(at, self._examples(support))
        value = self.loss({name: end.detach() for name, end in found.items()}, query).detach()
        gaps = {name: (at[name] - end).detach() for name, end in found.items()}
        moved = torch.stack([(start[name] * gap).sum() for name, gap in gaps.items()]).sum()
        return value + moved - moved.detach()

    def loss(self, params: Params, batch: Any) -> Tensor:
        """Return the loss on a batch, or on the next part of one."""
        return super().loss(params, batch.next() if isinstance(batch, Parts) else batch)

    def _examples(self, support: Batch) -> Batch | Parts:
        learner, size = self.learner, self.learner.inner_batch
        if size is None:
            return support
        rng = np.random.default_rng([learner.seed, learner.global_step, learner.global_rank])
        return Parts(support, size, rng, dim=self.path.dim)


class Reptile(GradientLearner):
    """Move the initialisation θ towards the parameters φ that the inner loop finds in each task.

    The batched algorithm 2: θ ← θ + ε mean(φ − θ). The outer optimiser is given θ − mean φ as the
    gradient, so that `sgd` with rate ε is that step and any other may be taken (section 2). No
    inner step is differentiated: any strategy will do. In training the query only measures.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop U; with `sgd` it needs several steps (section 3).
        lr: Outer step size ε.
        optimizer: ``sgd``, as in the paper; ``adam`` or ``adamw``.
        momentum: Momentum of ``sgd``; none in the paper.
        anneal: Let ε fall to 0 linearly over training, as in the paper's experiments.
        inner_batch: Examples of an inner step in training, drawn without replacement until the
            support is used up, then anew; the whole support where None.
        **options: Those of `tlml.GradientLearner`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    first_order = True
    problem_type: ClassVar[type[InnerProblem]] = ReptileProblem

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "sgd",
        *,
        lr: float = 1.0,
        optimizer: Literal["adam", "adamw", "sgd"] = "sgd",
        momentum: float = 0.0,
        anneal: bool = True,
        inner_batch: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            network, strategy, lr=lr, optimizer=optimizer, momentum=momentum, **options
        )
        check_positive(inner_batch=inner_batch)
        if inner_batch is not None and self.compiled:
            raise TlmlError("inner_batch: compile=True would repeat one draw; leave one out")
        self.anneal, self.inner_batch = anneal, inner_batch

    def training_step(self, batch: Episode | Episodes, batch_idx: int) -> Tensor:
        """Return the mean query loss after the inner loop; its gradient is θ − mean φ."""
        return outer_step(self, batch)

    def configure_optimizers(self) -> Any:
        """Step by ε along mean φ − θ, with ε falling where it is annealed."""
        optimizer = super().configure_optimizers()
        if not self.anneal:
            return optimizer
        total = fit_length(self, "anneal")
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": falling, "interval": "step"},
        }


class Parts:
    """A support that inner steps read part by part.

    Args:
        support: The whole.
        size: Examples of a part; a smaller support is read whole.
        rng: Draws the order of the examples.
        dim: The dimension of the support's tensors that counts examples.
    """

    def __init__(self, support: Batch, size: int, rng: np.random.Generator, dim: int = 0) -> None:
        self.support, self.size, self.rng, self.dim = support, size, rng, dim
        self._left: list[int] = []

    def next(self) -> Batch:
        """Return the next examples; a new order begins where the last ones don't fill a part."""
        x, y = self.support
        if len(self._left) < self.size:
            self._left = self.rng.permutation(x.shape[self.dim]).tolist()
        now = torch.tensor(self._left[: self.size], device=x.device)
        self._left = self._left[self.size :]
        return Batch(x.index_select(self.dim, now), y.index_select(self.dim, now))

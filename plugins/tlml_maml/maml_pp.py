"""MAML++ (Antoniou, Edwards & Storkey 2019, arXiv 1810.09502).

Details that the paper leaves open are as in the authors' code,
https://github.com/AntreasAntoniou/HowToTrainYourMAMLPytorch. An epoch of theirs is 500 batches.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tlml import Batch, Strategy
from tlml.errors import check_not_negative
from tlml.meta import InnerProblem
from tlml_maml.maml import Maml
from tlml_maml.outer import fit_length

_LEAST = 0.03  # what the weight of a step before the last keeps of 1 / steps


class MultiStepProblem(InnerProblem):
    """An inner problem whose query loss counts after each step (section 4, MSL)."""

    stackable: ClassVar[bool] = True

    def task_loss(self, support: Batch, query: Batch) -> Tensor:
        """Return the weighted query losses of one task after each step (equation 3)."""
        start = self.start()
        ends = list(self.steps(start, support)) or [start]
        pairs = zip(self.learner.step_weights(len(ends)), ends, strict=True)
        losses = [weight * self.loss(params, query) for weight, params in pairs if weight]
        return torch.stack(losses).sum()

    def constants(self) -> tuple[Any, ...]:
        """Return all that `task_loss` depends on beside tensors."""
        return (*super().constants(), self.learner.first_order, self.learner.step_weights(2))


class MamlPlusPlus(Maml):
    """MAML made stable; each of its parts can be left out.

    The inner loop `per_step_sgd` brings learned rates per layer and step (``learn_lr``) and
    BatchNorm per step (``norms``). This learner adds the query loss after each step (section 4,
    MSL), first-order gradients at the beginning (DA) and a cosine schedule of the meta rate (CA).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop; any that can be differentiated, such as ``sgd`` to leave rates
            and BatchNorm as they are in MAML.
        first_order: Ignore second derivatives in all epochs.
        multi_step_epochs: Epochs in which the query loss after each step counts, ever less but for
            the last one's; only the last one's where 0.
        first_order_epochs: Epochs that begin training without second derivatives; 50 in the paper.
        cosine: Let the meta rate fall to `min_lr` along a cosine over the whole of training.
        min_lr: Where the meta rate ends.
        **options: Those of `tlml.GradientLearner`; `lr` is the meta step size β.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    problem_type: ClassVar[type[InnerProblem]] = MultiStepProblem
    _first_order = False

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "per_step_sgd",
        *,
        first_order: bool = False,
        multi_step_epochs: int = 15,
        first_order_epochs: int = 50,
        cosine: bool = True,
        min_lr: float = 1e-5,
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, first_order=first_order, **options)
        check_not_negative(
            multi_step_epochs=multi_step_epochs,
            first_order_epochs=first_order_epochs,
            min_lr=min_lr,
        )
        self.multi_step_epochs, self.first_order_epochs = multi_step_epochs, first_order_epochs
        self.cosine, self.min_lr = cosine, min_lr

    @property
    def first_order(self) -> bool:
        """Whether second derivatives are ignored now."""
        return self._first_order or self.current_epoch < self.first_order_epochs

    @first_order.setter
    def first_order(self, always: bool) -> None:
        self._first_order = always

    def step_weights(self, steps: int) -> tuple[float, ...]:
        """Return what the query loss after each of some steps counts in this epoch.

        All begin as 1 / steps. Those before the last fall linearly, not below 3% of that, and the
        last one takes what they lose; afterwards only the last one counts.
        """
        early = 0.0
        if self.current_epoch < self.multi_step_epochs:
            early = max(1 - self.current_epoch / self.multi_step_epochs, _LEAST) / steps
        return (*[early] * (steps - 1), 1 - early * (steps - 1))

    def configure_optimizers(self) -> Any:
        """Optimise network and strategy together, with the meta rate along a cosine."""
        optimizer = super().configure_optimizers()
        if not self.cosine:
            return optimizer
        total = fit_length(self, "cosine")
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, self.min_lr)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

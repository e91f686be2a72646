"""MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400), second and first order."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from tlml import Episode, Episodes, GradientLearner, Strategy
from tlml_maml.outer import check_inner_loop, outer_step


class Maml(GradientLearner):
    """Learn an initialisation θ from which the strategy's steps lead to a low query loss.

    Algorithm 1: for a batch of tasks, adapt θ to each support by the inner loop (lines 5 and 6),
    then step θ down the gradient of the mean query loss of the adapted parameters (line 8).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop; it must be differentiable.
        first_order: Ignore second derivatives (section 5.2, FOMAML).
        **options: Those of `tlml.GradientLearner`; `lr` is the meta step size β.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = Strategy  # what it may be trained through

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "sgd",
        *,
        first_order: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
        self.first_order = first_order

    def setup(self, stage: str) -> None:
        """Check the inner loop before training.

        Raises:
            TlmlError: The strategy is not the kind of inner loop that this learner learns.
        """
        if stage == "fit":
            check_inner_loop(self, self.inner_loop)

    def training_step(self, batch: Episode | Episodes, batch_idx: int) -> Tensor:
        """Return the meta-loss of a batch of tasks; Lightning steps down its gradient (line 8)."""
        return outer_step(self, batch)

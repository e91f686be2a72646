"""MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400), second and first order."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from tlml import Episode, GradientLearner, Strategy, TlmlError


class Maml(GradientLearner):
    """Learn an initialisation θ from which the strategy's steps lead to a low query loss.

    Algorithm 1: for a batch of tasks, adapt θ to each support by the inner loop (lines 5 and 6),
    then step θ down the gradient of the mean query loss of the adapted parameters (line 8).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop; it must be differentiable.
        first_order: Ignore second derivatives (section 5.2, FOMAML).
        network_options: Options of the named network.
        lr: Meta step size β.
        optimizer: Optimiser of the outer loop: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of the outer loop.
        loss: ``cross_entropy``, ``mse``, ``l1``, ``huber``, ``smooth_l1`` or ``bce``; by the
            targets where None (integers: cross-entropy, floats: mean squared error).
        batchnorm: Statistics that BatchNorm uses on a task: its ``batch``'s (transductive, as in
            the paper), or as ``stored``.
        vectorize: Tasks of a batch together (``vmap``), one by one (``loop``), or what is faster
            and known to be right (``auto``).
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "sgd",
        *,
        first_order: bool = False,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        loss: str | None = None,
        batchnorm: Literal["batch", "stored"] = "batch",
        vectorize: Literal["auto", "vmap", "loop"] = "auto",
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            network,
            strategy,
            network_options=network_options,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            loss=loss,
            batchnorm=batchnorm,
            vectorize=vectorize,
            seed=seed,
            spaces=spaces,
        )
        self.first_order = first_order

    def training_step(self, batch: Episode, batch_idx: int) -> Tensor:
        """Return the meta-loss of a batch of tasks; Lightning steps down its gradient (line 8)."""
        loss = self.meta_loss(batch)
        if not bool(torch.isfinite(loss)):
            raise TlmlError(
                f"maml: the meta-loss is {loss.item()} in step {self.global_step}; lower the inner "
                f"lr ({getattr(self.strategy, 'lr', '?')}) or the meta lr ({self.lr})"
            )
        self.log_sparsely({"train_loss": loss.detach()}, batch_size=len(batch.support.x))
        return loss

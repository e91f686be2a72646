"""Sync La-MAML (Gupta, Yadav & Paull 2020, arXiv 2007.13904, section 4.2)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from tlml import Strategy
from tlml.errors import check_positive
from tlml_continual.lamaml import Lamaml
from tlml_continual.lamaml_paths import Slopes


class SyncLamaml(Lamaml):
    """La-MAML that steps θ by a rate of its own, in the place of (b): θ ← θ − β ∇_θ L(θ_k, b_m).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What keeps α, and adapts to a task after the stream by it.
        lr: The rate β of θ.
        alpha_lr: The rate η of α.
        **options: Those of `Lamaml`.

    Raises:
        TlmlError: An option is out of range, the strategy has no such rates, or the network does
            not fit the view.
    """

    steers: ClassVar[tuple[str, ...]] = ("lr", "alpha_init", "alpha_lr")
    refused: ClassVar[tuple[str, ...]] = ("optimizer", "momentum", "weight_decay", "fused")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "meta_sgd",
        *,
        lr: float = 0.3,
        alpha_lr: float = 0.1,
        **options: Any,
    ) -> None:
        check_positive(lr=lr)
        super().__init__(network, strategy, lr=lr, alpha_lr=alpha_lr, **options)

    def _step_theta(
        self, theta: dict[str, nn.Parameter], alpha: dict[str, Tensor], slopes: Slopes
    ) -> None:
        size = -self.lr * self._clip(slopes.theta)
        for name, slope in slopes.theta.items():
            theta[name].add_(slope, alpha=size)

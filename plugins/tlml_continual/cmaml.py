"""C-MAML (Gupta, Yadav & Paull 2020, arXiv 2007.13904, section 4.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from tlml import Strategy
from tlml_continual.sync_lamaml import SyncLamaml


class Cmaml(SyncLamaml):
    """La-MAML's steps with rates α that stay as they are: θ ← θ − β ∇_θ L(θ_k, b_m).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What keeps α, and adapts to a task after the stream by it.
        lr: The rate β of θ.
        alpha_init: The rate α of every entry, unless `strategy` says it.
        **options: Those of `Lamaml`; `alpha_lr` is not looked at.

    Raises:
        TlmlError: An option is out of range, the strategy has no such rates, or the network does
            not fit the view.
    """

    learns_alpha: ClassVar[bool] = False
    steers: ClassVar[tuple[str, ...]] = ("lr", "alpha_init")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "meta_sgd",
        *,
        lr: float = 0.1,
        alpha_init: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, lr=lr, alpha_init=alpha_init, **options)

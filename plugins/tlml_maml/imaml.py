"""iMAML (Rajeswaran, Finn, Kakade & Levine 2019, arXiv 1909.04630): implicit gradients."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from tlml import Strategy, TlmlError
from tlml_maml.implicit import Implicit
from tlml_maml.maml import Maml


class Imaml(Maml):
    """MAML by the implicit gradient: memory does not grow with the inner steps.

    Algorithm 1: the meta-gradient of a task is (I + H/λ)⁻¹ ∇L_query(φ), whatever led to φ.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop, an `implicit`.
        **options: Those of `Maml`; `first_order` takes H as 0.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = Implicit

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "implicit",
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
        if self.vectorize not in ("auto", "loop"):
            raise TlmlError(
                f"vectorize: '{self.vectorize}' does not go with imaml, which solves a system of "
                "equations for each task; take 'auto' or 'loop'"
            )
        if self.compiled:
            raise TlmlError(
                "compile: it does not go with imaml, whose conjugate gradients end where the "
                "residual says; take compile=False"
            )

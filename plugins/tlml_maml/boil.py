"""BOIL (Oh, Yoo, Kim & Yun 2021, arXiv 2008.08882): the body only in the inner loop."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from tlml import Strategy
from tlml_maml.body_sgd import BodySgd
from tlml_maml.maml import Maml


class Boil(Maml):
    """MAML whose inner loop adapts all but the head, so that features have to change.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop, a `body_sgd`.
        **options: Those of `Maml`.

    Raises:
        TlmlError: An option is out of range, or the network has no head or does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = BodySgd

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "body_sgd",
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)

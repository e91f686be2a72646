"""Strategies that keep to the weights that an adaptation starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor

from tlml import Strategy, TlmlError
from tlml.data import Params
from tlml.networks import NamedBuffers


class AnchoredStrategy(Strategy):
    """Knows the weights at the start of the adaptation, which checkpoints hold.

    Args:
        **options: Those of `tlml.Strategy`.
    """

    terms_in: ClassVar[Literal["fit", "adaptation"]] = "adaptation"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.anchor = NamedBuffers()

    def start(self, params: Params, fresh: Callable[[], Params]) -> Params:
        """Keep the parameters, from which the adaptation starts."""
        self.anchor.clear()
        self.anchor.update({name: value.detach().clone() for name, value in params.items()})
        return params

    def anchored(self) -> Mapping[str, Tensor]:
        """Return the weights at the start, by name.

        Raises:
            TlmlError: No adaptation has started, nor was one resumed.
        """
        if not self.anchor:
            raise TlmlError(
                f"{type(self).__name__}: the weights at the start are not known; the checkpoint "
                "that training resumed from holds none: load the source's weights yourself and "
                "leave ckpt_path out"
            )
        return self.anchor

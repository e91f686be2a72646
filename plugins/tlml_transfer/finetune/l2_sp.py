"""L²-SP: weight decay towards the source's weights (Li, Grandvalet & Davoine 2018, 1802.01483)."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from tlml import Context, TlmlError
from tlml.data import Params
from tlml.errors import check_not_negative, did_you_mean
from tlml_transfer.finetune.anchored import AnchoredStrategy


class L2Sp(AnchoredStrategy):
    """Fine-tune every parameter, and pull it back to where it started.

    Ω(w) = α/2 ‖w_S − w_S⁰‖² + β/2 ‖w_N‖² is added to the loss of the adaptation, with w_S what the
    source has trained, w_S⁰ its values at the start, and w_N what is new on the target.

    Args:
        alpha: α, the pull towards the start.
        beta: β, the pull of what is new towards 0.
        new: Patterns of new parameters, such as ``head.*``. Where left out, layers whose weights
            start as zeros are new, as new heads of tlml do.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range, or a pattern matches no parameter.
    """

    sees: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 0.01,
        new: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_not_negative(alpha=alpha, beta=beta)
        self.alpha, self.beta = alpha, beta
        self.new = None if new is None else (new,) if isinstance(new, str) else tuple(new)
        self._added: set[str] | None = None  # the names of what is new

    def start(self, params: Params, fresh: Callable[[], Params]) -> Params:
        """Keep the parameters, from which the adaptation starts."""
        self._added = None
        return super().start(params, fresh)

    def penalty(self, params: Params) -> Tensor:
        """Return Ω of parameters by name, a scalar."""
        anchor = self.anchored()
        if self._added is None:
            self._added = _zeros(anchor) if self.new is None else _match(tuple(anchor), self.new)
        pulls = [
            self.beta / 2 * p.square().sum()
            if name in self._added
            else self.alpha / 2 * (p - anchor[name]).square().sum()
            for name, p in params.items()
        ]
        return torch.stack(pulls).sum()

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the penalty of what is adapted."""
        return {"l2_sp": self.penalty(context.params)}


def _zeros(anchor: Params) -> set[str]:
    """Return the parameters of layers whose weights are all zero."""
    layers = {
        name.rpartition(".")[0]
        for name, value in anchor.items()
        if value.dim() > 1 and not bool(value.any())
    }
    return {name for name in anchor if name.rpartition(".")[0] in layers}


def _match(names: Sequence[str], patterns: Sequence[str]) -> set[str]:
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise TlmlError(f"new: '{pattern}' matches no parameter{did_you_mean(pattern, names)}")
    return {name for name in names for pattern in patterns if fnmatch.fnmatchcase(name, pattern)}

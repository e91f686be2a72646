"""TENT: test entropy minimisation (Wang, Shelhamer, Liu, Olshausen & Darrell 2021, 2006.10726)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tlml import Context, Group, Phase, Strategy, TlmlError
from tlml.errors import check_not_negative

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class Tent(Strategy):
    """Make predictions on unlabelled target inputs certain, by scales and shifts of norms alone.

    The loss is the entropy H = −Σ p log p of the predictions (equation 1); BatchNorm normalises by
    the batch. On episodes the inputs are the query's own (transductive). Labelled examples, where
    there are any, are learned from as well.

    Args:
        lr: Learning rate of the adaptation.
        steps: Gradient steps on a target task.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of the adaptation.
        weight: What the entropy is multiplied by.

    Raises:
        TlmlError: An option is out of range.
    """

    terms_in: ClassVar[Literal["fit", "adaptation"]] = "adaptation"
    sees: ClassVar[tuple[str, ...]] = ("logits",)
    unlabelled: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.001,
        steps: int = 10,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(lr, steps, optimizer, weight_decay, "batch")
        check_not_negative(weight=weight)
        self.weight = weight
        self._norms: tuple[str, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Find the norms.

        Raises:
            TlmlError: None has scales and shifts.
        """
        self._norms = tuple(
            path
            for path, module in network.named_modules()
            if isinstance(module, _NORMS) and module.weight is not None
        )
        if not self._norms:
            raise TlmlError(
                f"tent: {type(network).__name__} has no normalisation with scales and shifts, "
                "which is all that learns"
            )

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """One phase, in which scales and shifts learn."""
        return (Phase(1.0, tuple(Group(f"{path}.*") for path in self._norms)),)

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the weighted mean entropy of the predictions."""
        logs = context.logits_target.log_softmax(1)
        return {"entropy": self.weight * -(logs.exp() * logs).sum(1).mean()}

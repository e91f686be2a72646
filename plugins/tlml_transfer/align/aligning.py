"""Strategies that draw the features of source and target together while a network is trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from tlml import Context, Strategy, TlmlError
from tlml.errors import check_not_negative


class Aligning(Strategy):
    """Adds a distance between the features of source and target to the loss of training.

    Args:
        weight: What the distance is multiplied by; 0 trains in the same loop without alignment, the
            control that tells what alignment itself does.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    term: ClassVar[str]  # what logs call the loss

    def __init__(self, weight: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        check_not_negative(weight=weight)
        self.weight = weight

    @abstractmethod
    def penalty(self, source_features: Tensor, target_features: Tensor) -> Tensor:
        """Return the distance of features ``[n, d]`` and ``[m, d]``, a scalar."""

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the weighted distance."""
        penalty = self.penalty(context.features_source, context.features_target)
        return {self.term: self.weight * penalty}


def check_features(whose: str, source: Tensor, target: Tensor, least: int = 2) -> None:
    """Raise where features are not two sets ``[n, d]`` and ``[m, d]`` of at least `least` rows."""
    for side, features in (("source", source), ("target", target)):
        if not len(features):
            raise TlmlError(
                f"{whose}: compares source and target, and there are no {side} examples; the view "
                "must give both"
            )
        if features.dim() != 2 or len(features) < least:
            raise TlmlError(
                f"{whose}: {side} features must be [n, d] with n of at least {least}, are "
                f"{list(features.shape)}; take a batch_size of at least {least}"
            )
    if source.shape[1] != target.shape[1]:
        raise TlmlError(
            f"{whose}: source features have {source.shape[1]} dimensions, target features "
            f"{target.shape[1]}"
        )


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return ‖x_i − y_j‖² ``[n, m]``; torch.cdist has no gradient where distances are 0."""
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return (squares - 2 * x @ y.T).clamp_min(0)


def certainty(logs: Tensor) -> Tensor:
    """Return 1 + exp(−H) of log-probabilities ``[n, classes]``: ``[n]``, taken as constants."""
    logs = logs.detach()
    return 1 + (logs.exp() * logs).sum(1).exp()

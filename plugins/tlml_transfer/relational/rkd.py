"""Relational knowledge distillation (Park, Kim, Lu & Cho 2019, arXiv 1904.05068)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Context, TlmlError
from tlml.data import Params
from tlml.errors import check_not_negative
from tlml_transfer.align.aligning import check_features
from tlml_transfer.finetune.anchored import AnchoredStrategy


class Rkd(AnchoredStrategy):
    """Fine-tune every parameter, and keep how examples lie to each other in feature space.

    The teacher is the network at the start of the adaptation. Distances between pairs, by the mean
    distance, and angles of triplets shall be those that it gives to the same examples.

    Args:
        distance: Weight of the distances (equations 5 to 7).
        angle: Weight of the angles (equations 8 and 9). They take memory of the cube of the batch.
        **options: Those of `tlml.Strategy`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(self, distance: float = 1.0, angle: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        check_not_negative(distance=distance, angle=angle)
        self.distance, self.angle = distance, angle

    def begin(self, network: nn.Module, params: Params, x: Tensor) -> Mapping[str, Tensor]:
        """Keep the buffers, which are the teacher's too."""
        self.anchor.update({name: value.clone() for name, value in network.named_buffers()})
        return {}

    def penalty(self, source_features: Tensor, target_features: Tensor) -> Tensor:
        """Return the loss of the student's features ``[n, d]`` against the teacher's ``[n, e]``.

        Args:
            source_features: The teacher's, of the same examples; a constant.
            target_features: The student's.

        Raises:
            TlmlError: There are not two rows for the same examples, or all of them are equal.
        """
        _check(source_features, target_features)
        sides, n = (source_features.detach(), target_features), len(target_features)
        loss = target_features.new_zeros(())
        if self.distance:
            teacher, student = map(_distances, sides)
            loss = loss + self.distance * _huber(teacher, student, n * (n - 1))
        if self.angle and n > 2:
            teacher, student = map(_angles, sides)
            loss = loss + self.angle * _huber(teacher, student, n * (n - 1) * (n - 2))
        return loss

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the loss on the target's examples; one alone has no relations."""
        features = context.features_target
        if len(features) < 2:
            return {"rkd": 0.0 * features.sum()}
        assert context.features_at is not None
        return {"rkd": self.penalty(context.features_at(self.anchored()), features)}


def _huber(teacher: Tensor, student: Tensor, relations: int) -> Tensor:
    """Return the mean of l_1 over the relations (equation 6, with δ = 1); others are 0 in both."""
    return F.huber_loss(student, teacher, reduction="sum") / relations


def _distances(features: Tensor) -> Tensor:
    """Return ‖f_i − f_j‖ / μ ``[n, n]``, with μ the mean over the pairs i ≠ j (equation 5)."""
    n = len(features)
    lengths: Tensor = torch.linalg.vector_norm(features[:, None] - features[None], dim=2)
    mean = lengths.sum() / (n * (n - 1))
    if not mean > 0:
        raise TlmlError(
            "rkd: all features are equal, so that their distances have no scale; the network maps "
            "different examples to one point"
        )
    return lengths / mean


def _angles(features: Tensor) -> Tensor:
    """Return cos ∠ f_i f_j f_k ``[j, i, k]`` (equation 8); 0 where two of them are the same."""
    difference = features[None] - features[:, None]  # [j, i, d]: from f_j to f_i
    length = torch.linalg.vector_norm(difference, dim=2, keepdim=True)
    # Equal examples have no direction: theirs is 0, with gradient 0.
    unit = torch.where(length > 0, difference / length.clamp_min(1e-12), 0.0)
    return (unit @ unit.mT) * (1 - torch.eye(len(features)).to(features))


def _check(teacher: Tensor, student: Tensor) -> None:
    if len(teacher) != len(student):
        raise TlmlError(
            f"rkd: the teacher's features are of {len(teacher)} examples, the student's of "
            f"{len(student)}; they must be of the same"
        )
    check_features("rkd", teacher, student[:, :1].expand(-1, teacher.shape[1]))

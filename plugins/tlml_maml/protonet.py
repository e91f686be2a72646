"""Prototypical networks (Snell, Swersky & Zemel 2017, arXiv 1703.05175)."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_choice, check_positive
from tlml_maml.episodic import Episodic


class ProtoNet(Episodic):
    """Score a class by how near the mean of its support's features is.

    The paper trains with more ways than it tests with (section 3.1): give the training view more.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        distance: Squared ``euclidean`` distance, as in the paper, or ``cosine``.
        scale: What the negative distance, or the cosine, is multiplied by.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        scale: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        check_choice("distance", distance, ("euclidean", "cosine"))
        check_positive(scale=scale)
        self.distance, self.scale = distance, scale

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return −scale · d(f(x), c_k), whose softmax is the paper's probability (equation 2)."""
        prototypes = class_means(support, labels, ways)
        if self.distance == "cosine":
            return self.scale * F.normalize(query, dim=1) @ F.normalize(prototypes, dim=1).T
        return -self.scale * (query[:, None] - prototypes).square().sum(2)


def class_means(features: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Return the mean feature ``[ways, d]`` of each class (equation 1)."""
    members = F.one_hot(labels, ways).to(features.dtype)
    return members.T @ features / members.sum(0)[:, None]

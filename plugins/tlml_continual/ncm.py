"""Nearest class mean on features that stay as they are (Janson et al. 2022, arXiv 2210.04428)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Strategy
from tlml.errors import check_choice
from tlml.views import ViewSpaces
from tlml_continual.base.features import FeatureLearner, behind, nearest_mean


class Ncm(FeatureLearner):
    """Predict the class whose mean of features is nearest: running means, and no gradient.

    μ_c is the mean of the features of all examples of class c that came, in any order. So nothing
    is forgotten but by what other classes cover, and any order of the stream ends alike. With a
    network of random weights it is the nearest mean of random features. Means of 64 bits are
    what is kept: one for each class, and no example.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        distance: ``euclidean``, or ``cosine`` of the angle to the mean.
        pretrained: Path of a checkpoint of a learner with the same kind of network, of which all
            parameters but the head's are taken.
        **options: Those of `FeatureLearner`.

    Raises:
        TlmlError: An option is out of range, targets are values, or the network does not fit.
    """

    sums: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        pretrained: str | None = None,
        **options: Any,
    ) -> None:
        check_choice("distance", distance, ("euclidean", "cosine"))
        self.distance = distance
        super().__init__(network, strategy, pretrained=pretrained, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for a sum of features of each class."""
        super().prepare(spaces)
        shape = len(self.counts), self.feature_size(spaces)
        self.register_buffer("sums", torch.zeros(shape, dtype=torch.float64))

    def learn(self, features: Tensor, y: Tensor) -> None:
        """Add the features to the sums of their classes."""
        self.sums.index_add_(0, y, features.to(self.sums))

    def means(self) -> Tensor:
        """Return the mean of each class ``[classes, d]``; zeros where none of it came."""
        return self.sums / self.counts.clamp(min=1)[:, None]

    def predict_now(self, x: Tensor) -> Tensor:
        """Score the classes by how near their means are; those that never came are behind."""
        features, means, known = self.features(x), self.means(), self.counts > 0
        if self.distance == "cosine":
            cosines = F.normalize(features.to(means), dim=1) @ F.normalize(means, dim=1).T
            return behind(cosines, known).to(features)
        return nearest_mean(features.to(means), means, known).to(features)

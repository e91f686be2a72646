"""RanPAC (McDonnell et al. 2023, arXiv 2307.02251): random projection and running ridge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Strategy
from tlml.errors import check_positive, check_share
from tlml.networks import seeded_draws
from tlml.views import ViewSpaces
from tlml_continual.base.features import FeatureLearner, behind, examples_that_ended

RIDGES = tuple(10.0**power for power in range(-8, 9))  # as in the authors' code
_CHUNK = 256


class Ranpac(FeatureLearner):
    """Project features at random, and regress the classes on them: no gradient.

    h = relu(Wᵀ f) with W ~ N(0, 1) that is never learned; G = Σ h hᵀ and C = Σ h yᵀ run over all
    examples; when a task ends, W_o = (G + λ I)⁻¹ C solves the ridge regression of all that came. So
    any order of the stream ends alike, up to rounding, where λ is given. What is kept are two
    matrices of 64 bits, `projection` by `projection` and by classes, and no example. The paper also
    trains adapters in the first task; this is its part without them. With a network of random
    weights it is a random projection of random features.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        projection: M, how many random features there are; 10,000 in the paper, of which G has
            800 MB.
        ridge: λ; where None, what has the least squared error on held-out examples of the task
            that ended, among 10⁻⁸ … 10⁸.
        held_out: Their share of the task.
        pretrained: Path of a checkpoint of a learner with the same kind of network, of which all
            parameters but the head's are taken.
        **options: Those of `FeatureLearner`.

    Attributes:
        weights: W_o ``[M, classes]``; zeros until a task ended.

    Raises:
        TlmlError: An option is out of range, targets are values, or the network does not fit.
    """

    directions: Tensor
    gram: Tensor
    products: Tensor
    weights: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        projection: int = 1000,
        ridge: float | None = None,
        held_out: float = 0.2,
        pretrained: str | None = None,
        **options: Any,
    ) -> None:
        check_positive(projection=projection, ridge=ridge)
        check_share(held_out=held_out)
        self.projection, self.ridge, self.held_out = projection, ridge, held_out
        super().__init__(network, strategy, pretrained=pretrained, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Draw the projection by the seed, and make room for both matrices."""
        super().prepare(spaces)
        m, classes = self.projection, len(self.counts)
        with seeded_draws(self.seed):
            drawn = torch.randn(self.feature_size(spaces), m, dtype=torch.float64)
        self.register_buffer("directions", drawn)
        for name, side in (("gram", m), ("products", classes), ("weights", classes)):
            self.register_buffer(name, torch.zeros(m, side, dtype=torch.float64))

    def learn(self, features: Tensor, y: Tensor) -> None:
        """Add a batch to G and C."""
        h = self.projected(features)
        self.gram.addmm_(h.T, h)
        self.products.addmm_(h.T, self._one_hot(y))

    def consolidate(self, task: int) -> None:
        """Solve for the weights of all that came."""
        ridge = self._chosen(task) if self.ridge is None else self.ridge
        shifted = self.gram + ridge * torch.eye(len(self.gram)).to(self.gram)
        self.weights.copy_(torch.linalg.solve(shifted, self.products))

    def projected(self, features: Tensor) -> Tensor:
        """Return h = relu(Wᵀ f) ``[n, M]`` of features ``[n, d]``."""
        return F.relu(features.to(self.directions) @ self.directions)

    def predict_now(self, x: Tensor) -> Tensor:
        """Score the classes by hᵀ W_o; those that never came are behind."""
        features = self.features(x)
        scores = self.projected(features) @ self.weights
        return behind(scores, self.counts > 0).to(features)

    def _chosen(self, task: int) -> float:
        """Return the λ that has the least error on held-out examples of a task."""
        h, y = self._examples(task)
        order = torch.randperm(len(h)).to(h.device)
        held = max(1, round(self.held_out * len(h)))
        own, other = order[held:], order[:held]
        errors = ridge_errors(h[own], y[own], h[other], y[other])
        return RIDGES[int(errors.argmin())]

    def _examples(self, task: int) -> tuple[Tensor, Tensor]:
        """Return the projected examples of a task and their classes as one-hot."""
        hs, ys = [], []
        for data in examples_that_ended(self.current_view(), task):
            for rows in torch.split(torch.arange(len(data)), _CHUNK):
                x = data.x[rows].to(self.device)
                hs.append(self.projected(self.features(x)))
                ys.append(self._one_hot(data.y[rows].to(self.device)))
        return torch.cat(hs), torch.cat(ys)

    def _one_hot(self, y: Tensor) -> Tensor:
        return F.one_hot(y, len(self.counts)).to(self.gram)


def ridge_errors(h: Tensor, y: Tensor, held_h: Tensor, held_y: Tensor) -> Tensor:
    """Return the mean squared error on held-out examples for each of `RIDGES`.

    With h = U S Vᵀ the weights are V (S² + λ)⁻¹ S Uᵀ y: one decomposition serves every λ.

    Args:
        h: ``[n, M]``.
        y: ``[n, classes]``.
        held_h: ``[k, M]``.
        held_y: ``[k, classes]``.
    """
    u, s, vt = torch.linalg.svd(h, full_matrices=False)
    inner, outer = u.T @ y, held_h @ vt.T
    errors = [
        F.mse_loss(outer @ ((s / (s.square() + ridge))[:, None] * inner), held_y)
        for ridge in RIDGES
    ]
    return torch.stack(errors)

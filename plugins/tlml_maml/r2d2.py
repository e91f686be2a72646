"""R2-D2 (Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv 1805.08136): a ridge regression."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml_maml.episodic import Episodic


class R2D2(Episodic):
    """Classify by ridge regression on one-hot labels: in closed form, differentiated through.

    The scores are α x W + β with a learned penalty λ of W, scale α and shift β. λ is
    the exponential of a parameter, so that it stays positive. As in the authors' code, it
    penalises the mean squared error: the ridge regression of K examples has the penalty K λ.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        penalty: λ to begin with; 50 in the authors' code, whose features are many more and whose
            experiments don't learn it.
        scale: α to begin with; the authors' code takes 10 on Omniglot and CIFAR-FS, and 1e-4 on
            mini-ImageNet.
        shift: β to begin with.
        intercept: Give W an intercept by a feature that is 1, penalised as the others, as the
            authors' code does.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        penalty: float = 1.0,
        scale: float = 10.0,
        shift: float = 0.0,
        intercept: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        check_positive(penalty=penalty, scale=scale)
        self.intercept = intercept
        self.log_penalty = nn.Parameter(torch.tensor(math.log(penalty)))
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.shift = nn.Parameter(torch.tensor(float(shift)))

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return α x W + β, where W regresses the one-hot labels on the support's features."""
        known, asked = support.double(), query.double()  # autocast leaves float64 alone
        if self.intercept:
            known, asked = F.pad(known, (0, 1), value=1.0), F.pad(asked, (0, 1), value=1.0)
        penalty = len(known) * self.log_penalty.double().exp()
        weights = ridge(known, F.one_hot(labels, ways).double(), penalty)
        return (self.scale * (asked @ weights) + self.shift).to(query.dtype)


def ridge(x: Tensor, y: Tensor, penalty: Tensor) -> Tensor:
    """Return the W ``[d, m]`` that minimises ‖x W − y‖² + λ ‖W‖².

    The system to solve is of the size of the support, by Woodbury's identity, or of
    the features, whichever is smaller.

    Args:
        x: ``[K, d]``.
        y: ``[K, m]``.
        penalty: λ, positive.
    """
    examples, features = x.shape
    if examples < features:
        dual: Tensor = torch.linalg.solve(_shift(x @ x.T, penalty), y)
        return x.T @ dual
    weights: Tensor = torch.linalg.solve(_shift(x.T @ x, penalty), x.T @ y)
    return weights


def _shift(matrix: Tensor, penalty: Tensor) -> Tensor:
    return matrix + penalty * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)

"""MetaOptNet-SVM (Lee, Maji, Ravichandran & Soatto 2019, arXiv 1904.03758)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml_maml.crammer_singer import dual
from tlml_maml.episodic import Episodic


class MetaOptNet(Episodic):
    """Classify by a multi-class support vector machine, differentiated at its optimum.

    Its dual is solved in float64, whatever the features are, and differentiated by
    the conditions of optimality. Nothing is added to the kernel; the authors' code adds 1 to its
    diagonal.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        c: C, the weight of the slacks, as in the authors' code.
        scale: γ, the learned scale of the scores, to begin with.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        c: float = 0.1,
        scale: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        check_positive(c=c, scale=scale)
        self.c = c
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return the scaled decision values γ x · w_k.

        Raises:
            TlmlError: The machine can't be solved: the features are not finite, or far too large.
        """
        weights = svm(support.double(), F.one_hot(labels, ways).double(), self.c)
        return (self.scale * (query.double() @ weights)).to(query.dtype)


def svm(x: Tensor, y: Tensor, c: float) -> Tensor:
    """Return the w ``[d, ways]`` of the multi-class support vector machine without intercept.

    It minimises ½ Σ_k ‖w_k‖² + C Σ_n ξ_n, where w_y·x_n + [k = y] − w_k·x_n ≥ 1 − ξ_n for all
    examples n, with the class y of each, and classes k.

    Args:
        x: ``[K, d]`` in float64.
        y: One-hot labels ``[K, ways]`` in float64.
        c: C, positive.
    """
    return x.T @ dual(x @ x.T, y, c)

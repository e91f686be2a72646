"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra 2016, 1606.04080)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml_maml.episodic import Episodic


class Matching(Episodic):
    """Score a class by the attention that a query pays to the support's examples of it.

    The embeddings don't depend on the support: without the paper's full context embeddings.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        scale: What cosines are multiplied by before the softmax; 1 in the paper. More makes the
            attention sharper.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self, network: str | nn.Module = "auto", *, scale: float = 1.0, **options: Any
    ) -> None:
        super().__init__(network, **options)
        check_positive(scale=scale)
        self.scale = scale

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return log Σ a(x, x_i) over the examples i of each class (equation 1).

        a is the softmax over the support of the cosine of the embeddings (section 2.1.1). The
        scores are log-probabilities.
        """
        cosines = F.normalize(query, dim=1) @ F.normalize(support, dim=1).T
        attention = F.log_softmax(self.scale * cosines, dim=1)
        outside = F.one_hot(labels, ways).T == 0  # [ways, K]
        return attention[:, None].masked_fill(outside, -float("inf")).logsumexp(2)

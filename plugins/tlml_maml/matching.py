"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra 2016, 1606.04080)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml.networks import seeded_draws, size_option
from tlml.views import ViewSpaces
from tlml_maml.episodic import Episodic


class Matching(Episodic):
    """Score a class by the attention that a query pays to the support's examples of it.

    Without the full context an embedding depends on its own example only. That is the default:
    the context adds 28 d² weights for features of size d, and predictions that depend on the
    order of the support.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        scale: What cosines are multiplied by before the softmax; 1 in the paper. More makes the
            attention sharper.
        full_context: Embed each example in the light of the whole support, by `FullContext`.
        context_steps: K, how often a query reads the support in its full context; the paper
            leaves it open.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    context: FullContext

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        scale: float = 1.0,
        full_context: bool = False,
        context_steps: int = 5,
        **options: Any,
    ) -> None:
        check_positive(scale=scale)
        self.scale, self.full_context = scale, full_context
        self.context_steps = size_option("context_steps", context_steps)
        super().__init__(network, **options)  # which may build the context

    def grow(self, shape: torch.Size, spaces: ViewSpaces | None) -> None:
        """Make the recurrent networks of the full context."""
        if not self.full_context or "context" in self._modules:
            return
        like = next(self.built().parameters(), torch.empty(0))
        with seeded_draws(self.seed):
            made = FullContext(shape.numel(), self.context_steps)
        self.context = made.to(like)

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return log Σ a(x, x_i) over the examples i of each class (equation 1).

        a is the softmax over the support of the cosine of the embeddings (section 2.1.1). The
        scores are log-probabilities.
        """
        if self.full_context:
            support, query = self.context(support, query)
        cosines = F.normalize(query, dim=1) @ F.normalize(support, dim=1).T
        attention = F.log_softmax(self.scale * cosines, dim=1)
        outside = F.one_hot(labels, ways).T == 0  # [ways, K]
        return attention[:, None].masked_fill(outside, -float("inf")).logsumexp(2)


class FullContext(nn.Module):
    """Full context embeddings: of the support by a bidirectional LSTM, of queries by attention.

    The LSTM reads the support in the order it is given, so another order gives other scores; the
    paper treats the support as a sequence too. Queries don't depend on each other.

    Args:
        features: Size of an embedding.
        steps: K, how often a query reads the support.
    """

    def __init__(self, features: int, steps: int) -> None:
        super().__init__()
        self.g = nn.LSTM(features, features, bidirectional=True)
        self.f = nn.LSTMCell(2 * features, features)
        self.steps = steps

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Map features ``[K, d]`` and ``[n, d]`` to those in context, of equal shapes.

        The support's are g = h→ + h← + g′ (appendix A.2), the query's are h_K of attLSTM
        (appendix A.1), which begins with ĥ = c = 0. Its LSTM(f′, [h, r], c) takes r among the
        inputs, which are multiplied by matrices and added as the state is.
        """
        forward, backward = self.g(support)[0].chunk(2, dim=1)
        known = forward + backward + support
        h, c = query, torch.zeros_like(query)
        for _ in range(self.steps):
            read = (h @ known.T).softmax(1) @ known  # equations 5 and 6
            out, c = self.f(torch.cat([query, read], dim=1), (h, c))  # equation 3
            h = out + query  # equation 4
        return known, h

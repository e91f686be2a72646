"""Filtered ranks: how far up the entities the true one is, the other true ones set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Question = tuple[int, int, int]  # an entity, a relation and a direction


def filtered_metrics(
    scores: Tensor,
    asked: Tensor,
    answer: Tensor,
    true: Mapping[Question, Sequence[int]],
    candidates: Tensor,
    hits: Sequence[int] = (1, 3, 10),
) -> dict[str, Tensor]:
    """Return the mean reciprocal rank and the share of ranks up to some (Bordes et al. 2013).

    All true answers but the one asked for are left out of the ranking. Entities with equal scores
    share their places: the metrics are expectations over the order among them, so that equal
    scores for all are worth as much as guessing.

    Args:
        scores: ``[n, entities]``.
        asked: Entity, relation and direction ``[n, 3]``.
        answer: The entity asked for ``[n]``.
        true: All answers to each question.
        candidates: The entities that an answer may be ``[m]``.
        hits: Ranks k of ``hits@k``.
    """
    ranked = torch.zeros_like(scores, dtype=torch.bool)
    ranked[:, candidates] = True
    for row, question in enumerate(asked.tolist()):
        ranked[row, list(true[tuple(question)])] = False
    own = scores.gather(1, answer[:, None])
    above = ((scores > own) & ranked).sum(1).double()
    equal = ((scores == own) & ranked).sum(1).double()
    # The mean of 1/r over the ranks above + 1 ... above + equal + 1, by harmonic numbers.
    reciprocal = (torch.digamma(above + equal + 2) - torch.digamma(above + 1)) / (equal + 1)
    shares = {
        f"hits@{k}": ((k - above).clamp_min(0).minimum(equal + 1) / (equal + 1)).mean()
        for k in hits
    }
    return {"mrr": reciprocal.mean(), **shares}

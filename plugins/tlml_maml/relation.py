"""Relation networks (Sung, Yang, Zhang, Xiang, Torr & Hospedales 2018, arXiv 1711.06025)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml.networks.build import keyed
from tlml.views import ViewSpaces
from tlml_maml.episodic import Episodic


class Relation(Episodic):
    """Learn the measure by which a query is compared with each class.

    The relation module g is a perceptron on flat features; the paper's has two convolutions on
    feature maps before it.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        hidden: Units of the relation module's hidden layer.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    relation: nn.Module

    def __init__(
        self, network: str | nn.Module = "auto", *, hidden: int = 64, **options: Any
    ) -> None:
        check_positive(hidden=hidden)
        self.hidden = hidden  # before the network is built, which makes the relation module
        super().__init__(network, **options)

    def prepare(self, features: int, spaces: ViewSpaces | None) -> None:
        """Make the relation module for pairs of features."""
        if "relation" in self._modules:
            return
        like = next(self.built().parameters(), torch.empty(0))
        with keyed(self.seed):
            first, last = nn.Linear(2 * features, self.hidden), nn.Linear(self.hidden, 1)
        self.relation = nn.Sequential(first, nn.ReLU(), last).to(like)

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return the relations r in (0, 1) of queries and summed class features (equation 1)."""
        self.prepare(support.shape[1], None)
        sums = F.one_hot(labels, ways).to(support.dtype).T @ support
        of_class = sums.expand(len(query), *sums.shape)
        of_query = query[:, None].expand(-1, ways, -1)
        relations: Tensor = self.relation(torch.cat([of_class, of_query], dim=2))
        return relations.squeeze(2).sigmoid()

    def score_loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the squared error to 1 for the right class and 0 for others (equation 2)."""
        return F.mse_loss(scores, F.one_hot(y, scores.shape[1]).to(scores.dtype))

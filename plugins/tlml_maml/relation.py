"""Relation networks (Sung, Yang, Zhang, Xiang, Torr & Hospedales 2018, arXiv 1711.06025)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import check_positive
from tlml.networks import flat, seeded_draws
from tlml.views import ViewSpaces
from tlml_maml.episodic import Episodic


class Relation(Episodic):
    """Learn the measure by which a query is compared with each class.

    The relation module g is the paper's where a network's last block, or the module, gives maps
    ``[C, h, w]``: two convolutions over the maps of class and query, then a perceptron. On flat
    features it is a perceptron. `relation_module` says how it fits the size of the maps. In
    training its BatchNorm normalises by the pairs of one task.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        hidden: Units of the relation module's hidden layer; where None 8 on maps, as in the
            paper, and 64 on flat features.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range.
    """

    relation: nn.Module

    def __init__(
        self, network: str | nn.Module = "auto", *, hidden: int | None = None, **options: Any
    ) -> None:
        check_positive(hidden=hidden)
        self.hidden = hidden  # before the network is built, which makes the relation module
        super().__init__(network, **options)

    def embed(self, x: Tensor) -> Tensor:
        """Return the maps ``[n, C, h, w]`` of inputs, or flat features ``[n, d]``."""
        found = self.raw_features(x)
        return found if found.dim() == 4 else flat(found)

    def grow(self, shape: torch.Size, spaces: ViewSpaces | None) -> None:
        """Make the relation module for pairs of features."""
        if "relation" in self._modules:
            return
        like = next(self.built().parameters(), torch.empty(0))
        with seeded_draws(self.seed):
            self.relation = relation_module(shape, self.hidden).to(like)

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return the relations r in (0, 1) of queries and summed class features (equation 1)."""
        members = F.one_hot(labels, ways).to(support.dtype)
        sums = torch.einsum("kw,k...->w...", members, support)
        of_class = sums.expand(len(query), *sums.shape)
        of_query = query[:, None].expand_as(of_class)
        pairs = torch.cat([of_class, of_query], dim=2).flatten(0, 1)
        relations: Tensor = self.relation(pairs)
        return relations.view(len(query), ways).sigmoid()

    def score_loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the squared error to 1 for the right class and 0 for others (equation 2)."""
        return F.mse_loss(scores, F.one_hot(y, scores.shape[1]).to(scores.dtype))


def relation_module(shape: torch.Size, hidden: int | None) -> nn.Sequential:
    """Build what maps pairs, concatenated along the first dimension of `shape`, to a logit.

    Maps of sides from 10 are convolved without padding, which leaves the paper's 576 features of
    19x19, and smaller ones with padding, which leaves its 64 of 5x5: as in the authors' code for
    mini-ImageNet and for Omniglot. Maps of a side of 1 are not pooled any more.

    Args:
        shape: Of one embedding, ``[d]`` or ``[C, h, w]``.
        hidden: Units of the hidden layer; by the paper where None.
    """
    if len(shape) == 1:
        width = hidden or 64
        return nn.Sequential(nn.Linear(2 * shape[0], width), nn.ReLU(), nn.Linear(width, 1))
    channels, *sides = shape
    padding, width = int(min(sides) < 10), hidden or 8
    layers: list[nn.Module] = []
    for inputs in (2 * channels, 64):
        layers += [nn.Conv2d(inputs, 64, 3, padding=padding), nn.BatchNorm2d(64), nn.ReLU()]
        sides = [side + 2 * padding - 2 for side in sides]
        if min(sides) > 1:
            layers.append(nn.MaxPool2d(2))
            sides = [side // 2 for side in sides]
    layers += [nn.Flatten(), nn.Linear(64 * sides[0] * sides[1], width)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, 1))

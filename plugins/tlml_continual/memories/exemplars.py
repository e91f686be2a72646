"""Exemplar sets of iCaRL (Rebuffi et al. 2017): the examples that keep the mean of a class."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.views import ViewSpaces
from tlml_continual.memories.memory import Memory


class ExemplarSets(Memory):
    """Keeps an ordered set of examples of each class, the more important ones first.

    Args:
        capacity: Examples that are kept, of all classes together.
        spaces: Of the inputs and targets.

    Attributes:
        filled: How many examples there are.

    Raises:
        TlmlError: The capacity is not above 0.
    """

    filled: Tensor

    def __init__(self, capacity: int, spaces: ViewSpaces) -> None:
        super().__init__(capacity, spaces)
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.filled)

    def places_of(self, label: int) -> Tensor:
        """Return where the exemplars of a class are, in their order."""
        return (self.y[: len(self)] == label).nonzero().flatten()

    def reduce(self, most: int) -> None:
        """Keep the first `most` exemplars of each class (algorithm 5)."""
        labels = torch.unique(self.y[: len(self)]).tolist()
        kept = [self.places_of(label)[:most] for label in labels]
        self._keep(torch.cat(kept) if kept else self.task[:0])

    def replace(self, label: int, x: Tensor, task: Tensor) -> None:
        """Let a class have other exemplars, behind those of all others.

        Args:
            label: The class.
            x: ``[m, ...]``, in their order.
            task: The task of each ``[m]``.
        """
        self._keep((self.y[: len(self)] != label).nonzero().flatten())
        room = slice(len(self), len(self) + len(x))
        self.x[room], self.y[room], self.task[room] = x.to(self.x), label, task
        self.filled += len(x)

    def _keep(self, places: Tensor) -> None:
        for held in (self.x, self.y, self.task):
            held[: len(places)] = held[places]
        self.filled.fill_(len(places))


def herd(features: Tensor, most: int) -> Tensor:
    """Return which examples of a class are its exemplars, in their order (algorithm 4).

    Each next one brings the mean of those chosen nearest to the mean of all. An example is chosen
    once.

    Args:
        features: ``[n, d]`` of all examples of the class.
        most: How many are chosen; all where there are fewer.
    """
    mean, total = features.mean(0), torch.zeros_like(features[0])
    free = torch.ones(len(features), dtype=torch.bool, device=features.device)
    chosen = []
    for k in range(1, min(most, len(features)) + 1):
        gaps = (mean - (total + features) / k).square().sum(1)
        chosen.append(int(torch.where(free, gaps, torch.inf).argmin()))
        free[chosen[-1]] = False
        total = total + features[chosen[-1]]
    return torch.tensor(chosen, dtype=torch.int64, device=features.device)

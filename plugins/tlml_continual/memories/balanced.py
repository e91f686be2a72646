"""The greedy balancing sampler of GDumb (Prabhu et al. 2020), algorithm 1."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.data import Batch
from tlml.views import ViewSpaces
from tlml_continual.memories.memory import Memory


class BalancedMemory(Memory):
    """Keeps as many examples of each class as it can, whatever comes.

    Args:
        capacity: Examples that are kept, of all tasks together.
        spaces: Of the inputs and targets.
        classes: How many classes there are.

    Attributes:
        counts: How many examples of each class there are ``[classes]``.
        seen: Which classes have come ``[classes]``.

    Raises:
        TlmlError: The capacity is not above 0.
    """

    counts: Tensor
    seen: Tensor

    def __init__(self, capacity: int, spaces: ViewSpaces, classes: int) -> None:
        super().__init__(capacity, spaces)
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))

    def __len__(self) -> int:
        return int(self.counts.sum())

    def push(self, batch: Batch, task: Tensor) -> None:
        """Show examples to the memory, one after the other.

        Args:
            batch: ``Batch(x [n, ...], y [n])``.
            task: The task of each example ``[n]``.
        """
        for x, y, own in zip(batch.x.detach(), batch.y, task, strict=True):
            place = self._place_for(int(y))
            if place is not None:
                self.x[place], self.y[place], self.task[place] = x.to(self.x), y, own
                self.counts[y] += 1
            self.seen[y] = True

    def _place_for(self, label: int) -> int | None:
        """Return where an example of a class goes, and let go of what was there; None: nowhere."""
        kept, classes = len(self), int(self.seen.sum())
        if bool(self.seen[label]) and int(self.counts[label]) * classes >= self.capacity:
            return None  # neither is the class new, nor has it less than k_c = k / |Y|
        if kept < self.capacity:
            return kept
        largest = _one_of(self.counts == self.counts.max())  # ties are broken at random
        place = _one_of(self.y == largest)
        self.counts[largest] -= 1
        return place


def _one_of(chosen: Tensor) -> int:
    """Return one of the places where it is true, drawn."""
    places = chosen.nonzero().flatten()
    return int(places[torch.randint(len(places), ())])

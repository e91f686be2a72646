"""A memory of a stream: a uniform sample of all that came (Vitter 1985, algorithm R)."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.data import Batch
from tlml.views import ViewSpaces
from tlml_continual.memories.memory import Memory


class ReservoirBuffer(Memory):
    """Keeps `capacity` examples, each example that came with the same probability.

    Args:
        capacity: Examples that are kept, of all tasks together.
        spaces: Of the inputs and targets.
        scores: Numbers kept beside each example, such as what the network gave for it.

    Attributes:
        x: Inputs ``[capacity, ...]``; rows from ``len(buffer)`` on are empty.
        y: Targets ``[capacity, ...]``.
        task: The task of each example ``[capacity]``.
        logits: What was kept beside ``[capacity, scores]``.
        age: How many examples have come.

    Raises:
        TlmlError: The capacity is not above 0.
    """

    logits: Tensor
    age: Tensor

    def __init__(self, capacity: int, spaces: ViewSpaces, scores: int = 0) -> None:
        super().__init__(capacity, spaces)
        self.register_buffer("logits", torch.zeros(capacity, scores))
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return min(int(self.age), self.capacity)

    def push(self, batch: Batch, task: Tensor | int = 0, logits: Tensor | None = None) -> None:
        """Show examples to the memory, one after the other.

        The example that comes as number a, from 0 on, takes place a while there is one; later a
        place is drawn from 0 to a, and it is kept where that is within the capacity.

        Args:
            batch: ``Batch(x [n, ...], y [n, ...])``.
            task: The task of each example ``[n]``, or of all.
            logits: What is kept beside each ``[n, scores]``.
        """
        n, age = len(batch.x), int(self.age)
        kept: dict[int, int] = {}  # of two that take the same place the later one stays
        for row, drawn in enumerate(torch.rand(n, dtype=torch.float64).tolist()):
            place = number if (number := age + row) < self.capacity else int(drawn * (number + 1))
            if place < self.capacity:
                kept[place] = row
        tasks = torch.as_tensor(task).expand(n)
        for place, row in kept.items():  # few, but in the beginning
            self.x[place], self.y[place] = batch.x[row].detach(), batch.y[row].detach()
            self.task[place] = tasks[row]
            if logits is not None:
                self.logits[place] = logits[row].detach()
        self.age.add_(n)

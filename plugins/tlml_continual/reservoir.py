"""A memory of a stream: a uniform sample of all that came (Vitter 1985, algorithm R)."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from tlml.data import Batch
from tlml.errors import check_positive
from tlml.views import ViewSpaces


class ReservoirBuffer(nn.Module):
    """Keeps `capacity` examples, each example that came with the same probability.

    All that it holds are registered buffers: checkpoints have them, and a resumed fit goes on with
    them. What it draws comes from torch's generator, which a learner's training keys by seed,
    epoch and batch.

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

    x: Tensor
    y: Tensor
    task: Tensor
    logits: Tensor
    age: Tensor

    def __init__(self, capacity: int, spaces: ViewSpaces, scores: int = 0) -> None:
        super().__init__()
        check_positive(memory_size=capacity)
        self.capacity = capacity
        self.register_buffer("x", _empty(capacity, spaces.x.shape or (), spaces.x.dtype))
        whole = isinstance(spaces.y, Discrete)
        shape, dtype = ((), np.int64) if whole else (spaces.y.shape or (), spaces.y.dtype)
        self.register_buffer("y", _empty(capacity, shape, dtype))
        self.register_buffer("task", torch.zeros(capacity, dtype=torch.int64))
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
        numbers = age + np.arange(n)
        drawn = torch.rand(n, dtype=torch.float64).numpy()
        places = np.where(numbers < self.capacity, numbers, (drawn * (numbers + 1)).astype(int))
        # Of two that take the same place the later one stays.
        kept = {place: row for row, place in enumerate(places.tolist()) if place < self.capacity}
        if kept:
            device = self.x.device
            at = torch.tensor(list(kept), device=device)
            rows = torch.tensor(list(kept.values()), device=device)
            self.x[at] = batch.x.detach()[rows].to(self.x)
            self.y[at] = batch.y.detach()[rows].to(self.y)
            self.task[at] = torch.as_tensor(task, device=device).expand(n)[rows]
            if logits is not None:
                self.logits[at] = logits.detach()[rows].to(self.logits)
        self.age += n

    def draw(self, n: int) -> Tensor:
        """Return the places of `n` examples, drawn with replacement ``[n]``."""
        return torch.randint(len(self), (n,)).to(self.x.device)

    def sample(self, n: int) -> Batch:
        """Return `n` examples, drawn with replacement."""
        return self.at(self.draw(n))

    def at(self, places: Tensor) -> Batch:
        """Return the examples at some places."""
        return Batch(self.x[places], self.y[places])


def _empty(capacity: int, shape: tuple[int, ...], dtype: np.dtype | type | None) -> Tensor:
    return torch.from_numpy(np.zeros((capacity, *shape), dtype))

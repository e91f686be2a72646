"""Room for examples of a stream: what all memories have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from torch import Tensor, nn

from tlml.data import Batch
from tlml.errors import check_positive
from tlml.views import ViewSpaces


class Memory(nn.Module, ABC):
    """Has room for `capacity` examples; how many there are is its length.

    All that it holds are registered buffers: checkpoints have them, and a resumed fit goes on with
    them. What it draws comes from torch's generator, which a learner's training keys by seed,
    epoch and batch.

    Args:
        capacity: Examples that are kept, of all tasks together.
        spaces: Of the inputs and targets.

    Attributes:
        x: Inputs ``[capacity, ...]``; rows from ``len(memory)`` on are empty.
        y: Targets ``[capacity, ...]``.
        task: The task of each example ``[capacity]``.

    Raises:
        TlmlError: The capacity is not above 0.
    """

    x: Tensor
    y: Tensor
    task: Tensor

    def __init__(self, capacity: int, spaces: ViewSpaces) -> None:
        super().__init__()
        check_positive(memory_size=capacity)
        self.capacity = capacity
        self.register_buffer("x", zeros(capacity, spaces.x))
        self.register_buffer("y", zeros(capacity, spaces.y))
        self.register_buffer("task", torch.zeros(capacity, dtype=torch.int64))

    @abstractmethod
    def __len__(self) -> int:
        """Return how many examples there are."""

    def draw(self, n: int) -> Tensor:
        """Return the places of `n` examples, drawn with replacement ``[n]``."""
        return torch.randint(len(self), (n,)).to(self.x.device)

    def sample(self, n: int) -> Batch:
        """Return `n` examples, drawn with replacement."""
        return self.at(self.draw(n))

    def at(self, places: Tensor) -> Batch:
        """Return the examples at some places."""
        return Batch(self.x.index_select(0, places), self.y.index_select(0, places))


def zeros(n: int, space: Space[Any]) -> Tensor:
    """Return zeros for `n` inputs or targets of a space: ``[n]`` of classes, else ``[n, ...]``."""
    if isinstance(space, Discrete):
        return torch.zeros(n, dtype=torch.int64)
    return torch.from_numpy(np.zeros((n, *(space.shape or ())), space.dtype))

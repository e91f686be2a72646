"""A family whose tasks make their data when they are asked for it, and count what they make."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from tlml import Domain, Examples
from tlml.data import Part, Split


class Watched:
    """Counts what a family makes, and how much of it is in memory together."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Part]] = []
        self.made: list[weakref.ref[torch.Tensor]] = []
        self.most = 0

    def note(self, number: int, part: Part, x: torch.Tensor) -> None:
        self.calls.append((number, part))
        self.made.append(weakref.ref(x))
        self.most = max(self.most, sum(ref() is not None for ref in self.made))


@dataclass(frozen=True)
class Late:
    """A task whose data is made when a part is asked for."""

    name: str
    number: int
    watched: Watched
    test: int = 6

    def split(self, part: Part) -> Examples:
        count = {"train": 12, "val": 0, "test": self.test}[part]
        rng = np.random.default_rng([self.number, count])
        x = torch.from_numpy(rng.normal(size=(count, 2)).astype(np.float32))
        self.watched.note(self.number, part, x)
        return Examples(x, torch.arange(count) % 3)


@dataclass(frozen=True)
class LateTasks(Sequence[Late]):
    """Tasks that are made when they are asked for."""

    number: int
    watched: Watched
    test: int

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, place: Any) -> Late:
        return Late(f"task {place}", place, self.watched, self.test)


class LateFamily(Domain[Late]):
    """Tasks of 12 examples to learn from and `test` to be judged by."""

    def __init__(self, number: int = 20, test: int = 6) -> None:
        self.x, self.y = Box(-np.inf, np.inf, (2,)), Discrete(3)
        self.number, self.test, self.watched = number, test, Watched()

    def tasks(self, split: Split) -> Sequence[Late]:
        return LateTasks(self.number, self.watched, self.test)

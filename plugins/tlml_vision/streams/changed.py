"""Families of tasks that show the same images, each changed in its own way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from tlml import Domain, StoredExamples
from tlml.data import SPLITS, Part, Split
from tlml.errors import check_choice, check_positive
from tlml_vision.drawn.rotated_digits import turn_images

PARTS: tuple[Part, ...] = ("train", "val", "test")
# Kept apart from each other's draws and from those of other domains.
_TURNS, _ORDERS = 1, 2


class Source(Protocol):
    """What has the images that all tasks show."""

    def images(self, file: Any) -> Tensor:
        """Return the images of a file, bytes or floats ``[n, 1, H, W]``."""
        ...

    def labels(self, file: Any) -> Tensor:
        """Return their classes ``[n]``."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """Turns images counter-clockwise by an angle in degrees, bilinearly; corners become 0."""

    angle: float

    def __call__(self, x: Tensor) -> Tensor:
        """Turn images ``[n, 1, H, W]``."""
        return turn_images(x, self.angle)


@dataclass(frozen=True, slots=True)
class Reorder:
    """Shows the pixels of an image in an order that is drawn by a key."""

    key: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Reorder the pixels of images ``[n, 1, H, W]``."""
        order = np.random.default_rng(self.key).permutation(x[0].numel())
        return x.flatten(1)[:, torch.from_numpy(order)].reshape(x.shape)


@dataclass(frozen=True, slots=True)
class ChangedImages:
    """Images that are changed when they are asked for, so that no task lies in memory.

    Args:
        source: Has the images.
        file: Which of its files.
        rows: Which images of it.
        change: Maps floats in [0, 1] ``[n, 1, H, W]`` to such floats.
    """

    source: Source
    file: str
    rows: range
    change: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the images of an index tensor or a slice, ``[n, 1, H, W]``."""
        own = self.source.images(self.file)[self.rows.start : self.rows.stop][index]
        x = own.float() / 255 if own.dtype == torch.uint8 else own
        return self.change(x) if len(x) else x


@dataclass(frozen=True, slots=True)
class ChangedTask:
    """All images, changed in one way.

    Args:
        name: What is done to them.
        source: Has the images.
        parts: The file and its rows of each part.
        change: What is done.
    """

    name: str
    source: Source
    parts: dict[Part, tuple[str, range]]
    change: Callable[[Tensor], Tensor]

    def split(self, part: Part) -> StoredExamples:
        """Return the images ``[n, 1, H, W]`` and classes ``[n]`` of one part."""
        check_choice("part", part, PARTS)
        file, rows = self.parts[part]
        labels = self.source.labels(file)[rows.start : rows.stop].clone()
        return StoredExamples(ChangedImages(self.source, file, rows, self.change), labels)


class ChangedImagesDomain(Domain[ChangedTask]):
    """A domain whose tasks are ways to change the same images.

    A subclass says where images come from and how a task changes them. Tasks are made when they are
    asked for and read from what lies in memory as bytes.

    Args:
        tasks: How many source tasks there are: the stream.
        validation: How many validation tasks: a stream to choose options on.
        target: How many target tasks: what comes after the stream.
        seed: The key of all tasks.
        side: Side of the images in pixels.
    """

    def __init__(self, tasks: int, validation: int, target: int, seed: int, side: int) -> None:
        check_positive(tasks=tasks, validation=validation, target=target)
        self.seed = seed
        self.numbers: dict[Split, int] = {
            "source": tasks, "validation": validation, "target": target
        }  # fmt: skip
        self.x = Box(0.0, 1.0, (1, side, side), np.float32)
        self.y = Discrete(10)

    @abstractmethod
    def source(self) -> Source:
        """Return what has the images."""

    @abstractmethod
    def rows(self, split: Split) -> dict[Part, tuple[str, range]]:
        """Return the file and its rows of each part, no image in two splits or parts."""

    @abstractmethod
    def change(self, split: Split, number: int) -> tuple[str, Callable[[Tensor], Tensor]]:
        """Return the name of a task, and what it does to images."""

    def tasks(self, split: Split) -> Sequence[ChangedTask]:
        """Return the tasks of a split; no image is changed for it."""
        check_choice("split", split, SPLITS)
        source, rows = self.source(), self.rows(split)
        found = []
        for number in range(self.numbers[split]):
            name, change = self.change(split, number)
            found.append(ChangedTask(name, source, rows, change))
        return found


def turn(seed: int, split: Split, number: int, tasks: int) -> tuple[str, Turn]:
    """Return task number t of T of turned images.

    Its angle is drawn evenly from 180 t / T to 180 (t + 1) / T degrees, as Lopez-Paz & Ranzato 2017
    (arXiv 1706.08840) do it.
    """
    rng = np.random.default_rng((seed, _TURNS, SPLITS.index(split), number))
    angle = 180 * (number + float(rng.uniform())) / tasks
    return f"{angle:.4g} degrees", Turn(angle)


def reorder(seed: int, split: Split, number: int) -> tuple[str, Reorder]:
    """Return a task whose pixels are in an order of its own."""
    return f"{split} order {number}", Reorder((seed, _ORDERS, SPLITS.index(split), number))

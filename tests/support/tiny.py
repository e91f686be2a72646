"""Domains, tasks and networks so small that a test can follow every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor, nn

import tlml
from tlml import Batch, ClassPool, Domain, Episode, Examples, StreamView
from tlml.data import SPLITS, Part, Split

MLP: dict[str, Any] = {"network": "mlp", "network_options": {"hidden": [8]}}


class Letters(ClassPool):
    """Classes whose samples are numbered: no two examples of the family are equal."""

    def __init__(
        self,
        sizes: Mapping[str, Sequence[int]] | None = None,
        shape: tuple[int, ...] = (2,),
    ) -> None:
        self.sizes = dict(sizes or {"source": [8] * 6, "validation": [8] * 5, "target": [8] * 7})
        self.x = Box(-np.inf, np.inf, shape, np.float32)

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Return classes that are spread around centres of their own."""
        found = {}
        for number, size in enumerate(self.sizes[split]):
            rng = np.random.default_rng([SPLITS.index(split), number])
            centre, spread = (
                rng.normal(size=self.x.shape) * 2,
                rng.normal(size=(size, *self.x.shape)),
            )
            values = (centre + 0.3 * spread).astype(np.float32)
            values.reshape(size, -1)[:, 0] = (
                1000 * SPLITS.index(split) + 50 * number + np.arange(size)
            )
            values.reshape(size, -1)[:, 0] /= 1000
            found[f"{split} {number}"] = torch.from_numpy(values)
        return found


@dataclass(frozen=True)
class Table:
    """A task that is a data set, divided at `train` and `test`."""

    name: str
    x: Tensor
    y: Tensor
    train: int
    test: int = 0

    def split(self, part: Part) -> Examples:
        """Return the first examples to train on and the next to test on."""
        place = {
            "train": slice(0, self.train),
            "val": slice(0, 0),
            "test": slice(self.train, self.train + self.test),
        }[part]
        return Examples(self.x[place], self.y[place])


class Tables(Domain[Table]):
    """A finite family of tables: regression, or classification where `classes` is given.

    Args:
        classes: Number of classes; values are predicted where 0.
        number: Tasks in a split.
        train: Examples of a task to train on.
        test: Examples of a task to test on.
        shared: Whether the labels mean the same in all tasks and splits.
    """

    def __init__(
        self, classes: int = 0, number: int = 3, train: int = 12, test: int = 0, shared: bool = True
    ) -> None:
        self.number, self.train, self.test, self.classes = number, train, test, classes
        self.shared = shared
        self.x = Box(-np.inf, np.inf, (2,), np.float32)
        self.y: Space = Discrete(classes) if classes else Box(-np.inf, np.inf, (1,), np.float32)

    def tasks(self, split: Split) -> Sequence[Table]:
        """Return the tables of a split."""
        return [self._table(split, number) for number in range(self.number)]

    def _table(self, split: Split, number: int) -> Table:
        rng = np.random.default_rng([SPLITS.index(split), number])
        total = self.train + self.test
        x = rng.normal(size=(total, 2)).astype(np.float32)
        if not self.classes:
            y = torch.from_numpy(x @ rng.normal(size=(2, 1)).astype(np.float32))
            return Table(f"{split} {number}", torch.from_numpy(x), y, self.train, self.test)
        labels = np.arange(total) % self.classes
        centres = np.random.default_rng(7 if self.shared else [7, number]).normal(
            size=(self.classes, 2)
        )
        x = (3 * centres[labels] + 0.3 * x).astype(np.float32)
        return Table(
            f"{split} {number}",
            torch.from_numpy(x),
            torch.from_numpy(labels),
            self.train,
            self.test,
        )


class Moved(Tables):
    """Two classes beside each other; in the target both are moved, the left one half across."""

    def __init__(self, train: int = 60, test: int = 60) -> None:
        super().__init__(2, number=1, train=train, test=test)

    def _table(self, split: Split, number: int) -> Table:
        rng = np.random.default_rng(SPLITS.index(split))
        y = np.arange(self.train + self.test) % 2
        x = rng.normal(size=(len(y), 2)) * [0.3, 1.0]
        x[:, 0] += 4 * y - 2 + 1.8 * (split == "target")
        x = torch.from_numpy(x.astype(np.float32))
        return Table(split, x, torch.from_numpy(y), self.train, self.test)


@dataclass(frozen=True, slots=True)
class Line:
    """A task that can be sampled without end: y = slope · x."""

    name: str
    slope: float

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw `n` points."""
        x = torch.from_numpy(rng.uniform(-1, 1, (n, 1)).astype(np.float32))
        return Batch(x, self.slope * x)


class Lines(Domain[Line]):
    """An endless family of lines; slopes are positive in source, above 10 and 20 elsewhere."""

    def __init__(self) -> None:
        self.x = Box(-1, 1, (1,), np.float32)
        self.y = Box(-np.inf, np.inf, (1,), np.float32)

    def draw(self, split: Split, rng: np.random.Generator) -> Line:
        """Draw a line."""
        slope = 10 * SPLITS.index(split) + rng.uniform(0.5, 2)
        return Line(f"slope {slope:.3f}", float(slope))


class Dropping(nn.Module):
    """A network whose training is random."""

    def __init__(self, inputs: int = 2, outputs: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Dropout(0.5))
        self.head = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, inputs]`` to ``[n, outputs]``."""
        scores: Tensor = self.head(self.body(x))
        return scores


def keys(x: Tensor) -> list[tuple[float, ...]]:
    """Return each example as something that sets hold."""
    return [tuple(row) for row in x.reshape(-1, *x.shape[-1:]).tolist()]


def same(one: Episode, other: Episode) -> bool:
    """Tell whether two episodes hold the same examples, to the bit."""
    pairs = zip((*one.support, *one.query), (*other.support, *other.query), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Plain(tlml.GradientLearner):
    """Learns a stream as it comes."""

    view_type = StreamView

    def training_step(self, batch: tlml.Step, batch_idx: int) -> Tensor:
        return self.loss(dict(self.built().named_parameters()), batch.batch)

    def predict_now(self, x: Tensor) -> Tensor:
        return self.built()(x)


class Norms(nn.Module):
    """A network with BatchNorm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores ``[n, outputs]``."""
        scores: Tensor = self.head(self.body(x))
        return scores

"""The data that both libraries are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch.utils.data import Dataset

import tlml
from tlml.data import Part, examples

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
DRAWS = 5  # of data that is drawn at random
VARIANTS = 8  # of each printed digit in each font, half of which are to train on
SOURCE, TARGET = 1, -2  # how skada tells domains apart


@dataclass(frozen=True)
class Arrays:
    """Labelled source, target without labels, and queries of the target; rows are examples."""

    name: str
    source_x: Values
    source_y: Labels
    target_x: Values
    query_x: Values
    query_y: Labels

    @cached_property
    def both(self) -> Values:
        """Source and target together, as skada takes them."""
        return np.concatenate([self.source_x, self.target_x])

    @cached_property
    def domains(self) -> Labels:
        """Which of `both` is which."""
        return np.repeat([SOURCE, TARGET], [len(self.source_x), len(self.target_x)])

    @cached_property
    def mean_cost(self) -> float:
        """The mean squared distance between source and target."""
        return float(cdist(self.source_x, self.target_x, "sqeuclidean").mean())


@cache
def digits() -> tuple[Arrays, ...]:
    """Return 1,190 printed digits, and handwriting: 1,000 without labels, 797 to ask for."""
    domain = printed_and_handwritten()
    (writing,) = domain.tasks("target")
    return (_arrays("digits", domain.tasks("source"), writing),)


@cache
def covariate_shift() -> tuple[Arrays, ...]:
    """Return classes whose inputs lie elsewhere on the target."""
    domains = [tlml.domain("covariate_shift", seed=seed) for seed in range(DRAWS)]
    return tuple(
        _arrays("covariate shift", one.tasks("source"), *one.tasks("target")) for one in domains
    )


@cache
def gaussians() -> tuple[Arrays, ...]:
    """Return two classes of 8 inputs, 250 examples each, which the target mixes and shifts."""
    return tuple(_gaussians(np.random.default_rng(seed)) for seed in range(DRAWS))


@cache
def printed_and_handwritten() -> Any:
    """Return the domain that the digits are of."""
    return tlml.domain("digits", size=8, variants=VARIANTS)


def _gaussians(rng: np.random.Generator) -> Arrays:
    turn = np.eye(8) + 0.25 * rng.normal(size=(8, 8))

    def classes(each: int) -> tuple[Values, Labels]:
        y = np.arange(2 * each) % 2
        x = rng.normal(size=(2 * each, 8)) * np.linspace(0.5, 2, 8)
        x[:, :4] += 1.2 * y[:, None]
        return x, y

    (source, y), (target, _), (query, asked) = classes(250), classes(250), classes(1000)
    return Arrays("Gaussians", source, y, target @ turn + 1, query @ turn + 1, asked)


def _arrays(name: str, sources: Iterable[Any], target: Any) -> Arrays:
    parts: tuple[Part, ...] = ("train", "test")  # as a PairView pools them
    pooled = [_rows(task.split(part)) for task in sources for part in parts]
    pooled = [(x, y) for x, y in pooled if len(x)]
    return Arrays(
        name,
        np.concatenate([x for x, _ in pooled]),
        np.concatenate([y for _, y in pooled]),
        _rows(target.split("train"))[0],
        *_rows(target.split("test")),
    )


def _rows(data: Dataset[Any]) -> tuple[Values, Labels]:
    held = examples(data)
    rows: Values = held.x.flatten(1).double().numpy()
    return rows, held.y.numpy()

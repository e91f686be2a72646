"""What is compared: a method by tlml and by its peer, on the same arrays, with equal options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.svm import SVC

import tlml
from benchmarks.transfer.arrays import Arrays, Labels, Values

TLML, SKADA = "tlml", "skada"
SOURCE, TARGET = 1, -2  # how skada tells domains apart


@dataclass(frozen=True)
class Side:
    """A library's way.

    Args:
        learn: Learns from source and target, by a seed: what is timed.
        answer: Predicts the labels of the queries from what was learned.
    """

    learn: Callable[[int], Any]
    answer: Callable[[Any], Labels]


@dataclass(frozen=True)
class Case:
    """A method on some data.

    Args:
        method: Its name in tlml.
        arrays: The data.
        sides: The libraries, by name.
        seeds: Runs that the accuracy is the mean of, where the method draws at random.
    """

    method: str
    arrays: Arrays
    sides: dict[str, Side]
    seeds: int = 1


Mapped = tuple[Values, Values, Values | None]  # source, queries, and weights of the source


def mapped(arrays: Arrays, learn: Callable[[], Mapped]) -> Side:
    """Return a side that maps or weighs examples, of which a support vector machine then learns."""

    def answer(learned: Mapped) -> Labels:
        source, query, weights = learned
        found: Labels = SVC().fit(source, arrays.source_y, sample_weight=weights).predict(query)
        return found

    return Side(lambda seed: learn(), answer)


def our_map(arrays: Arrays, name: str, **options: Any) -> Side:
    """Return a strategy of tlml that maps inputs."""

    def learn() -> Mapped:
        strategy = tlml.strategy(name, **options)
        source, _ = strategy.fit_transform(arrays.source_x, arrays.target_x)  # type: ignore[arg-type]
        return source, strategy.transform(arrays.query_x), None  # type: ignore[arg-type, return-value]

    return mapped(arrays, learn)


def our_weights(arrays: Arrays, name: str, **options: Any) -> Side:
    """Return a strategy of tlml that weighs source examples."""

    def learn() -> Mapped:
        both = torch.from_numpy(arrays.source_x), torch.from_numpy(arrays.target_x)
        weights = tlml.strategy(name, **options).weigh_samples(*both)
        assert weights is not None
        return arrays.source_x, arrays.query_x, weights.numpy()

    return mapped(arrays, learn)


def their_map(arrays: Arrays, make: Callable[[], Any]) -> Side:
    """Return an adapter of skada that maps inputs."""
    both, domains = _together(arrays)
    asked = np.full(len(arrays.query_x), TARGET)

    def learn() -> Mapped:
        adapter = make()
        found = adapter.fit_transform(both, sample_domain=domains)
        query = adapter.transform(arrays.query_x, sample_domain=asked)
        return found[: len(arrays.source_x)], query, None

    return mapped(arrays, learn)


def their_weights(arrays: Arrays, make: Callable[[], Any]) -> Side:
    """Return an adapter of skada that weighs source examples."""
    both, domains = _together(arrays)

    def learn() -> Mapped:
        adapter = make().fit(both, sample_domain=domains)
        weights = adapter.compute_weights(both, sample_domain=domains)
        return arrays.source_x, arrays.query_x, weights[: len(arrays.source_x)]

    return mapped(arrays, learn)


def _together(arrays: Arrays) -> tuple[Values, Labels]:
    both = np.concatenate([arrays.source_x, arrays.target_x])
    return both, np.repeat([SOURCE, TARGET], [len(arrays.source_x), len(arrays.target_x)])

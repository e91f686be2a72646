"""What is compared: a method by tlml and by its peer, on the same arrays, with equal options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.svm import SVC

import tlml
from benchmarks.transfer.arrays import TARGET, Arrays, Labels, Values

TLML, SKADA = "tlml", "skada"


@dataclass(frozen=True)
class Side:
    """A library's way.

    Args:
        learn: Learns from source and target, by a seed: what is timed.
        answer: Predicts the labels of the queries from what was learned.
    """

    learn: Callable[[Arrays, int], Any]
    answer: Callable[[Any, Arrays], Labels]


@dataclass(frozen=True)
class Case:
    """A method on some data.

    Args:
        method: Its name in tlml.
        draws: The data; accuracies are means over them.
        sides: The libraries, by name.
        seeds: Runs on each, where the method draws at random.
    """

    method: str
    draws: tuple[Arrays, ...]
    sides: dict[str, Side]
    seeds: int = 1

    @property
    def title(self) -> str:
        """What `--only` is matched with."""
        return f"{self.draws[0].name}: {self.method}"


Mapped = tuple[Values, Values, Values | None]  # source, queries, and weights of the source


def mapped(learn: Callable[[Arrays], Mapped]) -> Side:
    """Return a side that maps or weighs examples, of which a support vector machine then learns."""
    return Side(lambda arrays, seed: learn(arrays), _by_svm)


def our_map(name: str, **options: Any) -> Side:
    """Return a strategy of tlml that maps inputs."""

    def learn(arrays: Arrays) -> Mapped:
        strategy: Any = tlml.strategy(name, **options)
        source, _ = strategy.fit_transform(arrays.source_x, arrays.target_x)
        return source, strategy.transform(arrays.query_x), None

    return mapped(learn)


def our_weights(name: str, **options: Any) -> Side:
    """Return a strategy of tlml that weighs source examples."""

    def learn(arrays: Arrays) -> Mapped:
        strategy: Any = tlml.strategy(name, **options)
        both = torch.from_numpy(arrays.source_x), torch.from_numpy(arrays.target_x)
        return arrays.source_x, arrays.query_x, strategy.weigh_samples(*both).numpy()

    return mapped(learn)


def their_map(make: Callable[[Arrays], Any]) -> Side:
    """Return an adapter of skada that maps inputs."""

    def learn(arrays: Arrays) -> Mapped:
        adapter, asked = make(arrays), np.full(len(arrays.query_x), TARGET)
        found = adapter.fit_transform(arrays.both, sample_domain=arrays.domains)
        query = adapter.transform(arrays.query_x, sample_domain=asked)
        return found[: len(arrays.source_x)], query, None

    return mapped(learn)


def their_weights(make: Callable[[Arrays], Any]) -> Side:
    """Return an adapter of skada that weighs source examples."""

    def learn(arrays: Arrays) -> Mapped:
        adapter = make(arrays).fit(arrays.both, sample_domain=arrays.domains)
        weights = adapter.compute_weights(arrays.both, sample_domain=arrays.domains)
        return arrays.source_x, arrays.query_x, weights[: len(arrays.source_x)]

    return mapped(learn)


def _by_svm(learned: Mapped, arrays: Arrays) -> Labels:
    source, query, weights = learned
    found: Labels = SVC().fit(source, arrays.source_y, sample_weight=weights).predict(query)
    return found

"""The data that both libraries are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

import tlml
from tlml.task import examples

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
VARIANTS = 8  # of each printed digit in each font, half of which are to train on


@dataclass(frozen=True)
class Arrays:
    """Labelled source, target without labels, and queries of the target; rows are examples."""

    name: str
    source_x: Values
    source_y: Labels
    target_x: Values
    query_x: Values
    query_y: Labels


@cache
def digits() -> Arrays:
    """Return 680 printed digits, and handwriting: 1,000 without labels, 797 to ask for."""
    domain = printed_and_handwritten()
    fonts = [_rows(task.split("train")) for task in domain.tasks("source")]
    (writing,) = domain.tasks("target")
    return Arrays(
        "digits",
        np.concatenate([x for x, _ in fonts]),
        np.concatenate([y for _, y in fonts]),
        _rows(writing.split("train"))[0],
        *_rows(writing.split("test")),
    )


@cache
def gaussians() -> Arrays:
    """Return two classes of 20 inputs, 250 examples each, which the target mixes and shifts."""
    rng = np.random.default_rng(0)
    turn = np.eye(20) + 0.25 * rng.normal(size=(20, 20))

    def classes(each: int) -> tuple[Values, Labels]:
        y = np.arange(2 * each) % 2
        x = rng.normal(size=(2 * each, 20)) * np.linspace(0.5, 2, 20)
        x[:, :4] += 1.2 * y[:, None]
        return x, y

    (source, y), (target, _), (query, asked) = classes(250), classes(250), classes(500)
    return Arrays("Gaussians", source, y, target @ turn + 1, query @ turn + 1, asked)


@cache
def printed_and_handwritten() -> Any:
    """Return the domain that the digits are of."""
    return tlml.domain("digits", size=8, variants=VARIANTS)


def _rows(data: Dataset[Any]) -> tuple[Values, Labels]:
    held = examples(data)
    rows: Values = held.x.flatten(1).to(torch.float64).numpy()
    return rows, held.y.numpy()

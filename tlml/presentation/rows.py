"""What a table shows: one row for each method, one block for each point of a domain's axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95% bootstrap interval; ends are NaN where there is no interval."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one domain at one point.

    Args:
        method: Its label.
        seeds: Seeds that are done.
        planned_seeds: Seeds that there should be.
        score: Over the paired units (episodes, tasks, parts of tasks), each averaged over its
            seeds; None where nothing is done. Of fewer than five it has no interval.
        interquartile_mean: Of the scores of all seeds and units.
        difference: To the baseline on the same seeds and units; None for the baseline itself.
        worse: The whole interval of the difference is on the worse side.
        best: The interval of the paired difference to the best mean of the block holds 0.
        cost: Means over seeds, by the names in ``result.json``.
        metrics: Further figures by name, means over seeds.
        notes: What a reader must know of this row.
        units: How many paired units there are, or blocks where blocks are resampled.
    """

    method: str
    seeds: int
    planned_seeds: int
    score: Interval | None = None
    interquartile_mean: float | None = None
    difference: Interval | None = None
    worse: bool = False
    best: bool = False
    cost: Mapping[str, float] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    units: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """All methods on one domain at one point.

    Args:
        domain: The domain's label.
        protocol: How methods met it.
        point: Where on the protocol's axis, such as ``{"shots": 5}``.
        metric: What was measured.
        higher_is_better: Which direction is better.
        rows: One for each method.
        said: The point in words, such as ``5 shots``.
        basis: What intervals hold: ``intervals over 20 parts and 3 training seeds``.
        about: How many tasks that is about, where they are few: ``about 1 task``.
        tick: The point on an axis, such as ``10%``; "": as it is.
    """

    domain: str
    protocol: str
    point: Mapping[str, int | float | str]
    metric: str
    higher_is_better: bool
    rows: tuple[Row, ...]
    said: str
    basis: str = ""
    about: str = ""
    tick: str = ""

    @property
    def value(self) -> int | float | str:
        """The place on the axis."""
        return next(iter(self.point.values()))

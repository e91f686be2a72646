"""Paired units: what methods have in common, and what intervals resample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlml.metrics.intervals import LEAST_UNITS, bootstrap_interval, drawn_interval
from tlml.presentation.rows import Interval
from tlml.suites.results import Record

Array = NDArray[np.float64]
Unit = int | str
_NONE = (float("nan"), float("nan"))


class Scored(NamedTuple):
    """What one record, or one row of ``results.json``, says of its units; see `Record`."""

    seed: int
    units: Sequence[Unit]
    scores: Sequence[float]
    tasks: Sequence[str] = ()
    parts: Sequence[int] = ()
    blocks: Sequence[int] = ()
    resampled: Sequence[Sequence[float]] = ()

    @classmethod
    def of_record(cls, seed: int, record: Record) -> Scored:
        """Take a record."""
        return cls(seed, *(getattr(record, name) for name in cls._fields[1:]))

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Scored:
        """Take a row of a report."""
        return cls(*(row.get(name, ()) for name in cls._fields))


@dataclass(frozen=True, slots=True)
class Division:
    """How the units of a place are paired: as they are, by task, or by part of a task.

    Args:
        noun: What one unit is called.
        tasks: How many tasks there are; 0 where they are not known or the units themselves.
    """

    noun: str
    tasks: int = 0

    @classmethod
    def of(cls, scored: Iterable[Scored], noun: str) -> Division:
        """Divide what was measured at one place.

        Args:
            scored: Of all methods and seeds.
            noun: What the protocol's own unit is called, such as ``episode``.
        """
        every = list(scored)
        if not every or not all(one.tasks for one in every):
            return cls(noun)
        number = len({task for one in every for task in one.tasks})
        if all(one.parts for one in every):
            return cls("part", number)
        return cls("task") if number >= LEAST_UNITS else cls(noun, number)

    def named(self, one: Scored) -> Sequence[Unit]:
        """Return the paired unit of each score."""
        if self.noun == "task" and one.tasks:
            return one.tasks
        if self.noun == "part" and one.parts:
            pairs = zip(one.tasks, one.parts, strict=True)
            return [f"{task}/{part}" for task, part in pairs]
        return one.units


@dataclass(frozen=True, slots=True)
class Crossed:
    """Scores by training seed and paired unit; what has the same unit is averaged.

    Args:
        scores: By seed and unit.
        draws: The scores ``[draws]`` under resampled blocks, where there are some.
        blocks: How many blocks each unit has.
    """

    scores: Mapping[tuple[int, Unit], float]
    draws: Mapping[tuple[int, Unit], Array] = field(default_factory=dict)
    blocks: Mapping[Unit, int] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """The training seeds."""
        return sorted({seed for seed, _ in self.scores})

    @property
    def units(self) -> list[Unit]:
        """The paired units, numbers as numbers and before words."""
        return sorted({unit for _, unit in self.scores}, key=_order)

    @property
    def number(self) -> int:
        """How many things an interval resamples: blocks, or else paired units."""
        return sum(self.blocks.values()) if self.draws else len(self.units)

    @property
    def mean(self) -> float:
        """The mean over units, each averaged over its seeds."""
        own: dict[Unit, list[float]] = {}
        for (_, unit), score in self.scores.items():
            own.setdefault(unit, []).append(score)
        values = [own[unit] for unit in self.units]
        if len(set(map(len, values))) == 1:
            return float(np.mean(np.mean(values, axis=1)))
        return float(np.mean([np.mean(one) for one in values]))

    def interval(self) -> Interval:
        """Return the mean and its interval, which is NaN where there is too little to resample."""
        return Interval(self.mean, *self._ends())

    def minus(self, other: Crossed) -> Crossed | None:
        """Return the differences of the seeds and units that both have; None where none is."""
        scores = {
            key: score - other.scores[key]
            for key, score in self.scores.items() if key in other.scores
        }  # fmt: skip
        # Two infinities have no difference; what diverged is told beside it.
        with np.errstate(invalid="ignore"):
            draws = {
                key: draws - other.draws[key] for key, draws in self.draws.items()
                if key in other.draws and len(draws) == len(other.draws[key])
            }  # fmt: skip
        blocks = {unit: self.blocks[unit] for _, unit in draws}
        return Crossed(scores, draws, blocks) if scores else None

    def _ends(self) -> tuple[float, float]:
        seeds, units = self.seeds, self.units
        if self.number < LEAST_UNITS or len(self.scores) != len(seeds) * len(units):
            return _NONE
        keys = [[(seed, unit) for unit in units] for seed in seeds]
        if self.draws.keys() == self.scores.keys():
            return drawn_interval([[self.draws[key] for key in row] for row in keys], self.number)
        return bootstrap_interval([[self.scores[key] for key in row] for row in keys])


def crossed(scored: Iterable[Scored], division: Division) -> Crossed:
    """Average what has the same seed and unit."""
    scores: dict[tuple[int, Unit], list[float]] = {}
    draws: dict[tuple[int, Unit], list[Sequence[float]]] = {}
    blocks: dict[Unit, int] = {}
    for one in scored:
        for place, unit in enumerate(division.named(one)):
            scores.setdefault((one.seed, unit), []).append(one.scores[place])
            if one.resampled:
                draws.setdefault((one.seed, unit), []).append(one.resampled[place])
                blocks[unit] = one.blocks[place]
    lengths = {len(values) for own in draws.values() for values in own}
    whole = draws.keys() == scores.keys() and len(lengths) == 1
    return Crossed(
        {key: _mean(values) for key, values in scores.items()},
        {key: np.mean(values, axis=0) for key, values in draws.items()} if whole else {},
        blocks if whole else {},
    )


def basis(found: Crossed, division: Division) -> str:
    """Say what intervals hold: ``intervals over 20 parts and 3 training seeds``."""
    what = several(found.number, counted(found, division))
    if found.number < LEAST_UNITS:
        return f"{what}: no intervals"
    seeds = len(found.seeds)
    return f"intervals over {what}" + (f" and {seeds} training seeds" if seeds > 1 else "")


def counted(found: Crossed, division: Division) -> str:
    """Return what that is called which an interval resamples."""
    return "block" if found.draws else division.noun


def about(division: Division) -> str:
    """Say how many tasks a result is about, where they are few: ``about 1 task``."""
    return f"about {several(division.tasks, 'task')}" if division.tasks else ""


def several(number: int, noun: str) -> str:
    """Say a number of something: ``1 task``, ``3 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _mean(values: Sequence[float]) -> float:
    # Mostly a seed meets a unit once, and numpy takes long for one number.
    return float(values[0] if len(values) == 1 else np.mean(values))


def _order(unit: Unit) -> tuple[bool, Unit]:
    return isinstance(unit, str), unit

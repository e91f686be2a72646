"""The numbers of a block: means, intervals and paired differences of its methods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tlml.metrics.intervals import bootstrap_interval, interquartile_mean, paired_difference
from tlml.presentation.rows import Block, Interval, Row
from tlml.reports.entries import Entry, Place
from tlml.reports.notes import NEGATIVE, notes_on, unequal_budgets
from tlml.suites.description import Description
from tlml.suites.results import Record

Unit = int | str


def make_block(
    place: Place, own: Sequence[Entry], methods: Sequence[str], baseline: str, shown: Description
) -> Block:
    """Compare methods at one place.

    Args:
        place: Where.
        own: The entries of the place.
        methods: All of the suite, in its order.
        baseline: The one that differences are taken to.
        shown: How the protocol says its axis.
    """
    records = [entry.record for entry in own if entry.record is not None]
    first = next(iter(records), None)
    metric, higher = (first.metric, first.higher_is_better) if first else ("score", True)
    reference = Scores([entry for entry in own if entry.cell.method == baseline])
    unit, unequal = noun(shown.paired), unequal_budgets(records)
    rows = []
    for method in methods:
        mine = Scores([entry for entry in own if entry.cell.method == method])
        if mine.entries:
            row = _row(method, mine, reference, higher)
            notes = (*_compared(row, mine, reference), *notes_on(mine.records, unit, unequal))
            rows.append(replace(row, notes=(*notes, *_missing(row))))
    point = {place.axis: place.value}
    said = shown.said(place.value)
    best = tuple(_with_best(rows, higher))
    tick = shown.tick(place.value)
    return Block(place.domain, place.protocol, point, metric, higher, best, said, tick)


class Scores:
    """The scores of one method at one place, by seed and paired unit."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.done = {e.cell.seed: e.record for e in entries if e.record is not None}
        self.fitted = any(entry.cell.fits for entry in entries)
        self.by_pair = {
            (seed, unit): score
            for seed, record in self.done.items()
            for unit, score in zip(record.units, record.scores, strict=True)
        }

    @property
    def records(self) -> list[Record]:
        """What was measured, by seed."""
        return list(self.done.values())

    def units(self, pairs: Iterable[tuple[int, Unit]]) -> NDArray[np.float64]:
        """Return the units of the bootstrap: each unit of `pairs`, averaged over its seeds."""
        return unit_means({pair: self.by_pair[pair] for pair in pairs})


def unit_means(scores: Mapping[tuple[int, Unit], float]) -> NDArray[np.float64]:
    """Return what the bootstrap resamples: each paired unit, averaged over its seeds.

    Where there is one unit, the seeds are all that differ: they are resampled.
    """
    ordered = sorted(scores, key=lambda pair: (pair[0], _order(pair[1])))
    one = len({unit for _, unit in ordered}) == 1
    found: dict[Unit, list[float]] = {}
    for seed, unit in ordered:
        found.setdefault(seed if one else unit, []).append(scores[seed, unit])
    return np.array([np.mean(found[unit]) for unit in sorted(found, key=_order)])


def noun(paired: str) -> str:
    """Return what a paired unit is called in short.

    >>> noun("task of the stream"), noun("target task and evaluation seed")
    ('task', 'pair')
    """
    head = paired.partition(" of ")[0]
    return "pair" if " and " in head else head.split()[-1]


def _order(unit: Unit) -> tuple[bool, Unit]:
    return isinstance(unit, str), unit  # numbers as numbers, and before words


def _row(method: str, mine: Scores, baseline: Scores, higher: bool) -> Row:
    planned = len(mine.entries)
    if not mine.done:
        return Row(method, 0, planned)
    units = mine.units(mine.by_pair)
    difference = _difference(mine, baseline)
    worse = difference is not None and (difference.high < 0 if higher else difference.low > 0)
    return Row(
        method,
        len(mine.done),
        planned,
        score=Interval(float(units.mean()), *bootstrap_interval(units)),
        interquartile_mean=interquartile_mean(list(mine.by_pair.values())),
        difference=difference,
        worse=worse,
        cost=_means([record.cost for record in mine.records]),
        metrics=_means([record.metrics for record in mine.records]),
    )


def _difference(mine: Scores, baseline: Scores) -> Interval | None:
    pairs = mine.by_pair.keys() & baseline.by_pair.keys()
    if not pairs or mine.entries == baseline.entries:
        return None
    return Interval(*paired_difference(mine.units(pairs), baseline.units(pairs)))


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the seeds that have it."""
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: float(np.mean([f[name] for f in figures if name in f])) for name in names}


def _compared(row: Row, mine: Scores, baseline: Scores) -> Iterator[str]:
    if row.worse:
        # Only what was carried over can transfer negatively, and only against not carrying over.
        yield NEGATIVE if mine.fitted and not baseline.fitted else "worse"


def _missing(row: Row) -> Iterator[str]:
    if row.seeds < row.planned_seeds:
        yield f"missing: {row.planned_seeds - row.seeds} of {row.planned_seeds} seeds"


def _with_best(rows: Sequence[Row], higher: bool) -> Iterator[Row]:
    means = [row.score.mean for row in rows if row.score and math.isfinite(row.score.mean)]
    best = (max if higher else min)(means, default=None)
    for row in rows:
        own = row.score.mean if row.score else None
        yield replace(row, best=best is not None and own == best)

"""The numbers of a block: means, intervals and paired differences of its methods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tlml.metrics.intervals import LEAST_UNITS, interquartile_mean
from tlml.presentation.rows import Block, Interval, Row
from tlml.reports.entries import Entry, Place
from tlml.reports.notes import NEGATIVE, notes_on, unequal_budgets
from tlml.reports.units import Crossed, Division, Scored, about, basis, counted, crossed, several
from tlml.suites.description import Description
from tlml.suites.results import Record


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
    division = Division.of(map(_scored, _done(own)), noun(shown.paired))
    found = {m: Scores([e for e in own if e.cell.method == m], division) for m in methods}
    reference = found.get(baseline) or Scores([], division)
    most = max(
        (one.table for one in found.values()), key=lambda table: (table.number, len(table.seeds))
    )
    unit, unequal = noun(shown.paired), unequal_budgets(records)
    rows = []
    for method, mine in found.items():
        if mine.entries:
            row = _row(method, mine, reference, higher)
            notes = (*_compared(row, mine, reference), *notes_on(mine.records, unit, unequal))
            few = _too_few(mine.table, most, division)
            rows.append(replace(row, notes=(*notes, *_missing(row), *few)))
    return Block(
        place.domain, place.protocol, {place.axis: place.value}, metric, higher,
        tuple(_with_best(rows, found, higher)), shown.said(place.value),
        basis(most, division) if records else "", about(division), shown.tick(place.value),
    )  # fmt: skip


class Scores:
    """The scores of one method at one place, by seed and paired unit."""

    def __init__(self, entries: Sequence[Entry], division: Division) -> None:
        self.entries = entries
        self.done = {e.cell.seed: e.record for e in entries if e.record is not None}
        self.fitted = any(entry.cell.fits for entry in entries)
        self.table = crossed(map(_scored, _done(entries)), division)

    @property
    def records(self) -> list[Record]:
        """What was measured, by seed."""
        return list(self.done.values())


def noun(paired: str) -> str:
    """Return what a paired unit is called in short.

    >>> noun("task of the stream"), noun("target task and evaluation seed")
    ('task', 'pair')
    """
    head = paired.partition(" of ")[0]
    return "pair" if " and " in head else head.split()[-1]


def _done(entries: Sequence[Entry]) -> list[tuple[int, Record]]:
    return [(e.cell.seed, e.record) for e in entries if e.record is not None]


def _scored(done: tuple[int, Record]) -> Scored:
    return Scored.of_record(*done)


def _row(method: str, mine: Scores, baseline: Scores, higher: bool) -> Row:
    planned = len(mine.entries)
    if not mine.done:
        return Row(method, 0, planned)
    difference = _difference(mine, baseline)
    worse = difference is not None and (difference.high < 0 if higher else difference.low > 0)
    return Row(
        method,
        len(mine.done),
        planned,
        score=mine.table.interval(),
        interquartile_mean=interquartile_mean([s for one in mine.records for s in one.scores]),
        difference=difference,
        worse=worse,
        cost=_means([record.cost for record in mine.records]),
        metrics=_means([record.metrics for record in mine.records]),
        units=mine.table.number,
    )


def _difference(mine: Scores, baseline: Scores) -> Interval | None:
    found = mine.table.minus(baseline.table)
    return None if found is None or mine.entries == baseline.entries else found.interval()


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


def _too_few(mine: Crossed, most: Crossed, division: Division) -> Iterator[str]:
    """Note a row that has no interval where another has one."""
    if mine.scores and mine.number < LEAST_UNITS <= most.number:
        yield f"{several(mine.number, counted(mine, division))}: no interval"


def _with_best(rows: Sequence[Row], found: Mapping[str, Scores], higher: bool) -> Iterator[Row]:
    """Mark all that the paired interval can't tell from the best mean."""
    means = {r.method: r.score.mean for r in rows if r.score and math.isfinite(r.score.mean)}
    first = (max if higher else min)(means, key=lambda name: means[name], default=None)
    for row in rows:
        yield replace(row, best=first is not None and _equals(found[first], found[row.method]))


def _equals(first: Scores, other: Scores) -> bool:
    difference = other.table.minus(first.table)
    if difference is None:
        return False
    interval = difference.interval()
    return interval.low <= 0 <= interval.high

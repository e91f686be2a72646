"""What a suite should have measured, record by record, and what of it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tlml.suites.description import Point, Value
from tlml.suites.results import PlannedAdapt, Record, Results


@dataclass(frozen=True, slots=True)
class Place:
    """Where methods are compared: a block of the report."""

    domain: str
    protocol: str
    axis: str
    value: Value


@dataclass(frozen=True, slots=True)
class Entry:
    """One method with one seed at one point.

    Args:
        cell: What was planned; a cell with several points has several entries.
        point: One of them.
        record: What was measured; None where it is missing or has failed.
    """

    cell: PlannedAdapt
    point: Point
    record: Record | None

    @property
    def place(self) -> Place:
        """Where it is compared with others."""
        ((axis, value),) = self.point.items()
        return Place(self.cell.domain, self.cell.protocol, axis, value)


def entries(results: Results) -> Iterator[Entry]:
    """Yield every record that the plan expects."""
    for cell in results.plan.adapts:
        records = results.records.get(cell.id, ())
        for point in cell.points:
            found = (record for record in records if record.point == point)
            yield Entry(cell, point, next(found, None))


def failed(results: Results, entry: Entry) -> bool:
    """Return whether an entry is not there because its cell or a fit of it failed."""
    own = {entry.cell.id, *entry.cell.fits}
    return entry.record is None and not results.failures.keys().isdisjoint(own)

"""From results to what a report says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tlml.presentation.rows import Block
from tlml.reports.block import make_block
from tlml.reports.entries import Entry, Place, entries, failed
from tlml.suites.description import EPISODES, Description
from tlml.suites.results import Planned, PlannedAdapt, PlannedRefusal, Results

# What only the records of some protocols have.
_SOME = frozenset(
    {"R", "before", "courses", "mazes", "episodes", "tasks", "parts", "blocks", "resampled"}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that failed."""

    kind: Literal["fit", "method"]
    cell: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is known about a suite; `tlml.reports.report` makes and writes it.

    Args:
        name: The suite.
        baseline: The method that differences are taken to.
        blocks: One for each domain, protocol and point.
        planned: Records that there should be.
        done: Records that there are.
        failed: Records whose cell failed, by itself or with its fit.
        failures: What failed, with its reason; a method only where its fit did not.
        refused: Combinations that were not run, with the reason.
        scores: Everything that was measured: one entry for each record.
        protocols: How each protocol is shown.
    """

    name: str
    baseline: str
    blocks: tuple[Block, ...]
    planned: int
    done: int
    failed: int
    failures: tuple[Failure, ...]
    refused: tuple[PlannedRefusal, ...]
    scores: tuple[dict[str, Any], ...]
    protocols: Mapping[str, Description] = field(default_factory=lambda: {"episodes": EPISODES})

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have a row."""
        return tuple(dict.fromkeys(row.method for block in self.blocks for row in block.rows))

    @property
    def missing(self) -> int:
        """Records that are neither done nor have failed."""
        return self.planned - self.done - self.failed


def summarise(results: Results) -> Report:
    """Compute everything that a report shows, from files alone and without chance."""
    plan = results.plan
    expected = list(entries(results))
    return Report(
        name=plan.name,
        baseline=plan.baseline,
        blocks=tuple(_blocks(plan, expected)),
        planned=len(expected),
        done=sum(entry.record is not None for entry in expected),
        failed=sum(failed(results, entry) for entry in expected),
        failures=tuple(_failures(results)),
        refused=tuple(plan.refused),
        scores=tuple(_scores(plan, expected)),
        protocols=plan.protocols,
    )


def _blocks(plan: Planned, expected: Sequence[Entry]) -> Iterator[Block]:
    found: dict[Place, list[Entry]] = {}
    for entry in expected:
        found.setdefault(entry.place, []).append(entry)
    order = {name: number for number, name in enumerate(plan.protocols)}

    def key(place: Place) -> tuple[Any, ...]:
        along = plan.protocols[place.protocol].order(place.value)
        return plan.domains.index(place.domain), order[place.protocol], along

    for place in sorted(found, key=key):
        shown = plan.protocols[place.protocol]
        yield make_block(place, found[place], plan.methods, plan.baseline, shown)


def _failures(results: Results) -> Iterable[Failure]:
    for fit in results.plan.fits:
        if fit.id in results.failures:
            episode = "" if fit.episode is None else f", episode {fit.episode}"
            tried = "".join(f", {name}={value}" for name, value in fit.tried.items())
            name = f"{fit.name} on {fit.domain}, seed {fit.seed}{episode}{tried}"
            yield Failure("fit", name, fit.id, results.failures[fit.id])
    for cell in results.plan.adapts:
        if cell.id in results.failures and results.failures.keys().isdisjoint(cell.fits):
            name = f"{cell.method} on {cell.domain}, {_axis(cell)}, seed {cell.seed}"
            yield Failure("method", name, cell.id, results.failures[cell.id])


def _axis(cell: PlannedAdapt) -> str:
    """Say what a cell was to measure: ``shots 5``, ``env_steps 0, 200``."""
    ((axis, _),) = cell.point.items()
    return f"{axis} {', '.join(str(point[axis]) for point in cell.points)}"


def _scores(plan: Planned, expected: Sequence[Entry]) -> Iterable[dict[str, Any]]:
    names = {fit.id: fit.name for fit in plan.fits}
    for entry in expected:
        cell, record = entry.cell, entry.record
        if record is not None:
            found = {**cell.model_dump(), **record.model_dump(), "point": entry.point}
            found["fit"] = names.get(cell.fits[0]) if cell.fits else None
            if cell.protocol == "episodes":
                found |= entry.point  # rows have had their shots since there was nothing else
            yield {name: value for name, value in found.items() if value or name not in _SOME}

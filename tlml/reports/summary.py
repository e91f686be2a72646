"""From results to what a report says: means, intervals, paired differences, cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tlml.metrics.intervals import bootstrap_interval, interquartile_mean, paired_difference
from tlml.suites.results import Cost, PlannedAdapt, PlannedRefusal, Record, Results

TRANSDUCTIVE = "batch statistics (transductive)"
USES_QUERIES = "uses the queries' inputs (transductive)"
CHOSEN_BY = "options chosen by"
NEGATIVE = "negative transfer"


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one domain at one number of shots.

    Args:
        method: Its label.
        seeds: Seeds that are done.
        planned_seeds: Seeds that there should be.
        score: Over episodes, each averaged over its seeds; None where nothing is done.
        interquartile_mean: Of the scores of all seeds and episodes.
        difference: To the baseline on the same seeds and episodes; None for the baseline itself.
        worse: The whole interval of the difference is on the worse side.
        best: No other mean in the block is better.
        cost: Mean of the seeds.
        notes: What a reader must know of this row.
    """

    method: str
    seeds: int
    planned_seeds: int
    score: Interval | None = None
    interquartile_mean: float | None = None
    difference: Interval | None = None
    worse: bool = False
    best: bool = False
    cost: Cost | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """All methods on one domain at one number of shots."""

    domain: str
    shots: int
    metric: str
    higher_is_better: bool
    rows: tuple[Row, ...]


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
        blocks: One for each domain and number of shots.
        planned: Adaptations that there should be.
        done: Adaptations that there are.
        failed: Adaptations that failed, for themselves or with their fit.
        failures: What failed, with its reason; an adaptation only where its fit did not.
        refused: Combinations that were not run, with the reason.
        scores: Everything that was measured: one entry for each finished adaptation.
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

    @property
    def missing(self) -> int:
        """Adaptations that are neither done nor have failed."""
        return self.planned - self.done - self.failed


def summarise(results: Results) -> Report:
    """Compute everything that a report shows, from files alone and without chance."""
    plan = results.plan
    places = list(dict.fromkeys((cell.domain, _shots(cell)) for cell in plan.adapts))
    places.sort(key=lambda place: (plan.domains.index(place[0]), place[1]))
    return Report(
        name=plan.name,
        baseline=plan.baseline,
        blocks=tuple(_block(results, domain, shots) for domain, shots in places),
        planned=len(plan.adapts),
        done=sum(cell.id in results.records for cell in plan.adapts),
        failed=sum(_failed(results, cell) for cell in plan.adapts),
        failures=tuple(_failures(results)),
        refused=tuple(plan.refused),
        scores=tuple(_scores(results)),
    )


def _block(results: Results, domain: str, shots: int) -> Block:
    cells = [c for c in results.plan.adapts if (c.domain, _shots(c)) == (domain, shots)]
    by_method = {
        method: [c for c in cells if c.method == method] for method in results.plan.methods
    }
    done = [results.records[cell.id][0] for cell in cells if cell.id in results.records]
    metric, higher = (done[0].metric, done[0].higher_is_better) if done else ("score", True)
    baseline = _Scores(by_method.get(results.plan.baseline, []), results)
    rows = [_row(_Scores(mine, results), baseline, higher) for mine in by_method.values() if mine]
    return Block(domain, shots, metric, higher, tuple(_with_best(rows, higher)))


class _Scores:
    """The scores of one method in a block, by seed and episode."""

    def __init__(self, cells: Sequence[PlannedAdapt], results: Results) -> None:
        self.cells = cells
        self.done = {c.seed: results.records[c.id][0] for c in cells if c.id in results.records}
        self.fitted = any(cell.fits for cell in cells)
        self.by_pair = {
            (seed, unit): score
            for seed, result in self.done.items()
            for unit, score in zip(result.units, result.scores, strict=True)
        }

    def units(self, pairs: Iterable[tuple[int, int | str]]) -> NDArray[np.float64]:
        """Return the units of the bootstrap: each episode of `pairs`, averaged over its seeds.

        Where there is one episode, the seeds are all that differ: they are the units.
        """
        ordered = sorted(pairs)
        one = len({episode for _, episode in ordered}) == 1
        found: dict[int | str, list[float]] = {}
        for seed, episode in ordered:
            found.setdefault(seed if one else episode, []).append(self.by_pair[seed, episode])
        return np.array([np.mean(found[unit]) for unit in sorted(found)])


def _row(mine: _Scores, baseline: _Scores, higher: bool) -> Row:
    method = mine.cells[0].method
    if not mine.done:
        return Row(method, 0, len(mine.cells), notes=(_missing(mine),))
    units = mine.units(mine.by_pair)
    difference = _difference(mine, baseline)
    worse = difference is not None and (difference.high < 0 if higher else difference.low > 0)
    return Row(
        method,
        len(mine.done),
        len(mine.cells),
        score=Interval(float(units.mean()), *bootstrap_interval(units)),
        interquartile_mean=interquartile_mean(list(mine.by_pair.values())),
        difference=difference,
        worse=worse,
        cost=_cost(mine.done.values()),
        notes=tuple(_notes(mine, baseline, worse)),
    )


def _difference(mine: _Scores, baseline: _Scores) -> Interval | None:
    pairs = mine.by_pair.keys() & baseline.by_pair.keys()
    if not pairs or mine.cells == baseline.cells:
        return None
    return Interval(*paired_difference(mine.units(pairs), baseline.units(pairs)))


def _cost(done: Iterable[Record]) -> Cost:
    costs = [result.cost for result in done]
    names = dict.fromkeys(name for cost in costs for name in cost)
    return {name: float(np.mean([cost.get(name, 0.0) for cost in costs])) for name in names}


def _notes(mine: _Scores, baseline: _Scores, worse: bool) -> Iterable[str]:
    if worse:
        # Only what was carried over can transfer negatively, and only against not carrying over.
        yield NEGATIVE if mine.fitted and not baseline.fitted else "worse"
    for chosen_by in dict.fromkeys(result.chosen_by for result in mine.done.values()):
        if chosen_by:
            yield f"{CHOSEN_BY} {chosen_by}"
    if any(result.batchnorm == "batch" for result in mine.done.values()):
        yield TRANSDUCTIVE
    elif any(result.transductive for result in mine.done.values()):
        yield USES_QUERIES
    lost = sum(not math.isfinite(score) for score in mine.by_pair.values())
    if lost:
        yield f"{lost} of {len(mine.by_pair)} episodes diverged"
    if len(mine.done) < len(mine.cells):
        yield _missing(mine)


def _missing(mine: _Scores) -> str:
    missing = len(mine.cells) - len(mine.done)
    return f"missing: {missing} of {len(mine.cells)} seeds"


def _with_best(rows: Sequence[Row], higher: bool) -> Iterable[Row]:
    means = [row.score.mean for row in rows if row.score and math.isfinite(row.score.mean)]
    best = (max if higher else min)(means, default=None)
    for row in rows:
        yield replace(
            row, best=best is not None and row.score is not None and row.score.mean == best
        )


def _failed(results: Results, cell: PlannedAdapt) -> bool:
    reasons = results.failures
    return cell.id not in results.records and not reasons.keys().isdisjoint({cell.id, *cell.fits})


def _failures(results: Results) -> Iterable[Failure]:
    for fit in results.plan.fits:
        if fit.id in results.failures:
            episode = "" if fit.episode is None else f", episode {fit.episode}"
            name = f"{fit.name} on {fit.domain}, seed {fit.seed}{episode}"
            yield Failure("fit", name, fit.id, results.failures[fit.id])
    for cell in results.plan.adapts:
        if cell.id in results.failures and results.failures.keys().isdisjoint(cell.fits):
            name = f"{cell.method} on {cell.domain}, shots {_shots(cell)}, seed {cell.seed}"
            yield Failure("method", name, cell.id, results.failures[cell.id])


def _scores(results: Results) -> Iterable[dict[str, Any]]:
    names = {fit.id: fit.name for fit in results.plan.fits}
    for cell in results.plan.adapts:
        for record in results.records.get(cell.id, ()):
            fit = names.get(cell.fits[0]) if cell.fits else None
            yield {**cell.model_dump(), "fit": fit, **record.model_dump()}


def _shots(cell: PlannedAdapt) -> int:
    return int(cell.points[0]["shots"])

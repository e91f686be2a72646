"""What a report says around its tables: what is done, missing and refused, and what words mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tlml.presentation.wording import place, printable
from tlml.reports.block import noun
from tlml.reports.notes import (
    BEST_OF,
    CHOSEN_BY,
    EDGE,
    NEGATIVE,
    TRANSDUCTIVE,
    USES_QUERIES,
)
from tlml.reports.summary import Report
from tlml.reports.tables import TUNING, tuned

_MEANINGS = MappingProxyType(
    {
        "RA": "each task after the last",
        "LA": "each task just after it was learned",
        "AIA": "after each task, those so far",
        "BTI": "mean change from there to the end of the stream",
        "BWT": "the same sum divided by one task less",
        "FWT": "a task just before it is learned, less the same before all training",
        "forgetting": "what was lost of the best that a task had, over all tasks but the last",
        "memory_examples": "examples kept, of all tasks together",
        "samples_per_second": "examples trained on in a second",
    }
)


def remarks(report: Report) -> list[str]:
    """Say what is done, missing, failed and refused, a line each."""
    return [printable(line) for line in _remarks(report)]


def footnotes(report: Report) -> list[str]:
    """Explain the columns and the notes that occur, a line each."""
    return [printable(line) for line in (*_on_columns(report), *_on_notes(report))]


def _remarks(report: Report) -> Iterator[str]:
    yield (
        f"{report.name}: {report.done} of {report.planned} results are there, "
        f"{report.failed} failed, {report.missing} missing"
    )
    for failure in report.failures:
        yield f"failed: {failure.kind} {failure.cell}: {failure.reason}"
    refused: dict[tuple[str, str], list[str]] = {}
    for refusal in report.refused:
        where = f"{refusal.domain} ({refusal.protocol})" if refusal.protocol else refusal.domain
        where += f" at {refusal.at}" if refusal.at else ""
        refused.setdefault((where, refusal.reason), []).append(refusal.name)
    for (where, reason), methods in refused.items():
        yield f"not run on {where}: {', '.join(methods)}: {reason}"
    yield from _lost_choices(report)
    yield from _unequal_budgets(report)
    yield from _edges(report)


def _lost_choices(report: Report) -> Iterator[str]:
    """List the choices that could not be made, or diverged, with a reason."""
    reasons: dict[tuple[str, str], str] = {}
    methods: dict[tuple[str, str], list[str]] = {}
    for row in report.scores:
        for one in row.get("tried", ()):
            if one.get("error"):
                options = ", ".join(f"{name}={value}" for name, value in one["options"].items())
                where = row["domain"], options
                reasons.setdefault(where, one["error"])
                methods.setdefault(where, []).append(row["method"])
    for (domain, options), reason in reasons.items():
        who = ", ".join(dict.fromkeys(methods[domain, options]))
        yield f"not chosen from on {domain}: {options} ({who}): {reason}"


def _unequal_budgets(report: Report) -> Iterator[str]:
    """Warn where methods of a block chose among different numbers of choices."""
    choices: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in report.scores:
        own = choices.setdefault((row["domain"], row["protocol"], *row["point"].items()), {})
        own[row["method"]] = max(row["choices"], own.get(row["method"], 0))
    places: dict[str, list[str]] = {}
    for block in report.blocks:
        most = choices.get((block.domain, block.protocol, *block.point.items()), {})
        if len({*most.values()}) > 1:
            places.setdefault(_budgets(most), []).append(place(block))
    for budgets, there in places.items():
        yield f"unequal budgets on {'; '.join(there)}: {budgets}"


def _budgets(choices: Mapping[str, int]) -> str:
    """Say it: ``maml chose among 25, scratch among 5, full had no choice``."""
    chose = [(method, number) for method, number in choices.items() if number]
    chose.sort(key=lambda one: -one[1])
    told = [f"{method} among {number}" for method, number in chose]
    told[0] = told[0].replace(" among ", " chose among ")
    return ", ".join([*told, *(f"{one} had no choice" for one, n in choices.items() if not n)])


def _edges(report: Report) -> Iterator[str]:
    for block in report.blocks:
        for row in block.rows:
            for note in row.notes:
                if EDGE in note:
                    yield f"{place(block)}, {row.method}: {note}: a better value may lie beyond it"


def _on_columns(report: Report) -> Iterator[str]:
    there = list(dict.fromkeys(block.protocol for block in report.blocks)) or ["episodes"]
    paired = list(dict.fromkeys(report.protocols[name].paired for name in there))
    for one in paired:
        yield (
            f"Means are over {_several(one)}, each averaged over its seeds. IQM: mean of the "
            "middle half of all scores."
        )
    yield (
        "95% intervals (bootstrap) resample what the title of a table says, training seeds among "
        "it where there are several: they hold for others of both. Of fewer than five units there "
        "is no interval, no verdict and nothing in bold. Bold: what the interval of the paired "
        "difference to the best mean can't tell from it."
    )
    yield from _on_units(report)
    same = " or ".join(f"the same {noun(one)}s" for one in paired)
    yield f"Differences to {report.baseline} are paired: the same seeds and {same}."
    if "episodes" in there:
        yield (
            "fit s: training, shared by all methods with the same fit; adapt s: all episodes of "
            "one seed; both are means over seeds. steps and labels: for one episode."
        )
    if any(map(tuned, report.blocks)):
        yield f"{TUNING}: what choosing options took beside the other seconds; a mean over seeds."
    yield from _meanings(report, there)


def _on_units(report: Report) -> Iterator[str]:
    """Explain units that are not a protocol's own."""
    others = (one for one in report.blocks if noun(report.protocols[one.protocol].paired) != "task")
    if any(" tasks" in block.basis for block in others):
        yield "Where tasks repeat, tasks are the units: their episodes are averaged."
    if any(" part" in block.basis for block in report.blocks):
        yield (
            "Parts: where target tasks are few, units are disjoint parts of their queries; "
            "intervals hold for other examples of these tasks, not for other tasks."
        )
    if any(" block" in block.basis for block in report.blocks):
        yield (
            "Blocks: consecutive examples of a query are resampled together; intervals hold for "
            "other times of these tasks, not for other tasks."
        )


def _meanings(report: Report, protocols: Sequence[str]) -> Iterator[str]:
    """Explain the columns that protocols add."""
    for name in protocols:
        headings = report.protocols[name].columns
        told = [f"{headings[key]}: {_MEANINGS[key]}" for key in headings if key in _MEANINGS]
        if told:
            score = f"the score is RA: {_MEANINGS['RA']}; " if "LA" in headings else ""
            yield f"{name}: {score}{'; '.join(told)}. All are means over seeds."


def _on_notes(report: Report) -> Iterator[str]:
    notes = {note for block in report.blocks for row in block.rows for note in row.notes}
    if NEGATIVE in notes:
        yield f"{NEGATIVE}: the whole interval of the difference is on the worse side."
    if any(note.startswith(CHOSEN_BY) for note in notes):
        yield (
            f"{CHOSEN_BY}: validation tasks and criteria of source and inputs see no target label; "
            "a choice by target labels sees what it is measured on: a bound, not a method."
        )
    if any(note.startswith(BEST_OF) for note in notes):
        yield (
            f"{BEST_OF} N choices: tuning budgets differ within the block; who chooses among "
            "more has the better chance."
        )
    for note in (TRANSDUCTIVE, USES_QUERIES):
        if note in notes:
            yield f"{note}: a prediction depends on the other queries of its episode."


def _several(paired: str) -> str:
    """Return the plural: ``target episodes``, ``tasks of the stream``."""
    head, of, rest = paired.partition(" of ")
    return f"pairs of {paired}" if " and " in head else f"{head}s{of}{rest}"

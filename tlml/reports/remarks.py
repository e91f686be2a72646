"""What a report says around its tables: what is done, missing and refused, and what words mean."""

from __future__ import annotations

from collections.abc import Iterator

from tlml.presentation.columns import Column, columns, cost_columns
from tlml.presentation.rows import Block
from tlml.presentation.wording import printable
from tlml.reports.summary import CHOSEN_BY, NEGATIVE, TRANSDUCTIVE, USES_QUERIES, Report


def columns_of(report: Report, block: Block) -> tuple[Column, ...]:
    """Return the columns of a block's table."""
    return columns(block.metric, report.baseline, own=cost_columns())


def remarks(report: Report) -> list[str]:
    """Say what is done, missing, failed and refused, a line each."""
    return [printable(line) for line in _remarks(report)]


def footnotes(report: Report) -> list[str]:
    """Explain the columns and the notes that occur, a line each."""
    return [printable(line) for line in _footnotes(report)]


def _remarks(report: Report) -> Iterator[str]:
    yield (
        f"{report.name}: {report.done} of {report.planned} results are there, "
        f"{report.failed} failed, {report.missing} missing"
    )
    for failure in report.failures:
        yield f"failed: {failure.kind} {failure.cell}: {failure.reason}"
    refused: dict[tuple[str, str], list[str]] = {}
    for refusal in report.refused:
        refused.setdefault((refusal.domain, refusal.reason), []).append(refusal.name)
    for (domain, reason), methods in refused.items():
        yield f"not run on {domain}: {', '.join(methods)}: {reason}"


def _footnotes(report: Report) -> Iterator[str]:
    yield (
        "Means are over target episodes, each averaged over its seeds; 95% intervals resample "
        "these episodes (bootstrap) and do not hold the spread between training seeds; of a single "
        "episode they resample the seeds. IQM: mean of the middle half of all scores."
    )
    yield f"Differences to {report.baseline} are paired: the same seeds and the same episodes."
    yield (
        "fit s: training, shared by all methods with the same fit; adapt s: all episodes of one "
        "seed; both are means over seeds. steps and labels: for one episode."
    )
    notes = {note for block in report.blocks for row in block.rows for note in row.notes}
    if NEGATIVE in notes:
        yield f"{NEGATIVE}: the whole interval of the difference is on the worse side."
    if any(note.startswith(CHOSEN_BY) for note in notes):
        yield (
            f"{CHOSEN_BY}: validation tasks and criteria of source and inputs see no target label; "
            "a choice by target labels sees what it is measured on: a bound, not a method."
        )
    for note in (TRANSDUCTIVE, USES_QUERIES):
        if note in notes:
            yield f"{note}: a prediction depends on the other queries of its episode."

"""The columns of a report's tables: one list for terminal, Markdown, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tlml.presentation.numbers import amount, ends, number
from tlml.presentation.rows import Row
from tlml.presentation.wording import printable

# Figures and costs that a narrow terminal keeps.
_KEPT = frozenset({"BTI", "adapt_seconds", "fit_seconds", "memory_examples"})


class Mark(StrEnum):
    """What a cell says beside its text; each kind of table shows it in its own way."""

    BEST = "best"
    WORSE = "worse"


def best(row: Row) -> Mark | None:
    """Mark what the paired interval can't tell from the best of its block."""
    return Mark.BEST if row.best else None


def worse(row: Row) -> Mark | None:
    """Mark what is worse than the baseline beyond chance."""
    return Mark.WORSE if row.worse else None


def no_marks(row: Row) -> None:
    """Mark nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report's tables.

    Args:
        heading: What stands above.
        value: The text of a row; None where there is nothing to say, which reads ``-``.
        align: Words are left, numbers right.
        markup: What is marked in a row.
        place: ``wide``: left out of a narrow terminal. ``below``: written below the table where a
            row is one line, in the terminal and in LaTeX.
    """

    heading: str
    value: Callable[[Row], str | None]
    align: Literal["left", "right"] = "right"
    markup: Callable[[Row], Mark | None] = no_marks
    place: Literal["always", "wide", "below"] = "always"

    def text(self, row: Row) -> str:
        """Return what stands in a row."""
        value = self.value(row)
        return "-" if value is None else printable(value)


def columns(metric: str, baseline: str | None, own: Iterable[Column] = ()) -> tuple[Column, ...]:
    """Return the columns of a block; the first names the row.

    Args:
        metric: What was measured.
        baseline: The method that differences are taken to; None where it has no row.
        own: Columns that the protocol adds.
    """
    return (
        Column("method", lambda row: row.method, align="left", markup=best),
        Column(metric, lambda row: number(metric, _mean(row)), markup=best),
        Column("95% interval", lambda row: ends(metric, row.score)),
        Column("IQM", lambda row: number(metric, row.interquartile_mean), place="wide"),
        *(() if baseline is None else _differences(metric, baseline)),
        *own,
        Column("notes", lambda row: ", ".join(row.notes), align="left", place="below"),
    )


def _differences(metric: str, baseline: str) -> tuple[Column, ...]:
    return (
        Column(
            f"to {baseline}",
            lambda row: _difference(metric, row, row.method == baseline),
            markup=worse,
        ),
        Column("95% interval", lambda row: ends(metric, row.difference, signed=True)),
    )


def described_column(name: str, heading: str, metric: str) -> Column:
    """Return the column of a further figure or of a cost.

    Args:
        name: Among a row's metrics or costs.
        heading: What stands above.
        metric: What was measured; figures are in its unit.
    """

    def value(row: Row) -> str | None:
        if name in row.metrics:
            return number(metric, row.metrics[name])
        if row.cost is not None and name in row.cost:
            return amount(name, row.cost[name])
        return None

    return Column(heading, value, place="always" if name in _KEPT else "wide")


def _mean(row: Row) -> float | None:
    return None if row.score is None else row.score.mean


def _difference(metric: str, row: Row, baseline: bool) -> str | None:
    if row.score is None:
        return None
    if row.difference is None:
        return "baseline" if baseline else None
    return number(metric, row.difference.mean, signed=True)

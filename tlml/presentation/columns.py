"""The columns of a report's tables: one list for terminal, Markdown, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tlml.presentation.numbers import ends, number, seconds
from tlml.presentation.rows import Row
from tlml.presentation.wording import printable


class Mark(StrEnum):
    """What a cell says beside its text; each kind of table shows it in its own way."""

    BEST = "best"
    WORSE = "worse"


def best(row: Row) -> Mark | None:
    """Mark the best row of its block."""
    return Mark.BEST if row.best else None


def worse(row: Row) -> Mark | None:
    """Mark what is worse than the baseline beyond chance."""
    return Mark.WORSE if row.worse else None


def unmarked(row: Row) -> None:
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
    markup: Callable[[Row], Mark | None] = unmarked
    place: Literal["always", "wide", "below"] = "always"

    def text(self, row: Row) -> str:
        """Return what stands in a row."""
        value = self.value(row)
        return "-" if value is None else printable(value)


def columns(metric: str, baseline: str, own: Iterable[Column] = ()) -> tuple[Column, ...]:
    """Return the columns of a block; the first names the row.

    Args:
        metric: What was measured.
        baseline: The method that differences are taken to.
        own: Columns that the protocol adds.
    """
    return (
        Column("method", lambda row: row.method, align="left", markup=best),
        Column(metric, lambda row: number(metric, _mean(row)), markup=best),
        Column("95% interval", lambda row: ends(metric, row.score)),
        Column("IQM", lambda row: number(metric, row.interquartile_mean), place="wide"),
        Column(
            f"to {baseline}",
            lambda row: _difference(metric, row, row.method == baseline),
            markup=worse,
        ),
        Column("95% interval", lambda row: ends(metric, row.difference, signed=True)),
        *own,
        Column("notes", lambda row: ", ".join(row.notes), align="left", place="below"),
    )


def cost_columns() -> tuple[Column, ...]:
    """Return the columns on what an adaptation to an episode costs."""
    return (
        cost_column("fit s", "fit_seconds", seconds),
        cost_column("adapt s", "adapt_seconds", seconds),
        cost_column("steps", "gradient_steps", place="wide"),
        cost_column("labels", "labels", place="wide"),
    )


def cost_column(
    heading: str,
    name: str,
    text: Callable[[float], str] = "{:g}".format,
    place: Literal["always", "wide"] = "always",
) -> Column:
    """Return the column of one cost, by its name in ``result.json``."""

    def value(row: Row) -> str | None:
        return text(row.cost[name]) if row.cost is not None and name in row.cost else None

    return Column(heading, value, place=place)


def metric_column(
    name: str, metric: str, *, signed: bool = False, place: Literal["always", "wide"] = "always"
) -> Column:
    """Return the column of a further figure, written as scores of `metric` are."""
    return Column(
        name, lambda row: number(metric, row.metrics.get(name), signed=signed), place=place
    )


def _mean(row: Row) -> float | None:
    return None if row.score is None else row.score.mean


def _difference(metric: str, row: Row, baseline: bool) -> str | None:
    if row.score is None:
        return None
    if row.difference is None:
        return "baseline" if baseline else None
    return number(metric, row.difference.mean, signed=True)

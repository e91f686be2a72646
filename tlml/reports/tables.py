"""The tables of a report, in sections: one for each domain, with a part for each protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tlml.presentation.columns import Column, Mark, columns, described_column
from tlml.presentation.numbers import number
from tlml.presentation.rows import Block, Row
from tlml.presentation.wording import place, title
from tlml.reports.summary import Report

TUNING = "tuning s"
# What it means to do well; a protocol of a plugin goes by its name.
_VERBS = {"episodes": "adapts", "stream": "retains"}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows under a title.

    Args:
        title: What it shows.
        place: Where that was measured, in short.
        columns: The first names the row.
        rows: Of these columns.
    """

    title: str
    place: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one protocol says about a domain; without a heading where it is the only one."""

    protocol: str
    heading: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """All on one domain.

    Args:
        domain: Its label.
        overview: The means of all protocols beside each other, where there are several.
        parts: One for each protocol.
    """

    domain: str
    overview: Table | None
    parts: tuple[Part, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, the overview first."""
        first = () if self.overview is None else (self.overview,)
        return (*first, *(table for part in self.parts for table in part.tables))


def sections(report: Report) -> Iterator[Section]:
    """Yield the sections of a report."""
    for domain in dict.fromkeys(block.domain for block in report.blocks):
        blocks = [block for block in report.blocks if block.domain == domain]
        protocols = list(dict.fromkeys(block.protocol for block in blocks))
        several = len(protocols) > 1
        overview = _overview(domain, blocks) if several else None
        yield Section(
            domain, overview, tuple(_part(report, name, blocks, several) for name in protocols)
        )


def _part(report: Report, protocol: str, blocks: Sequence[Block], several: bool) -> Part:
    heading = f"{_verb(protocol)}: {protocol}" if several else ""
    own = [block for block in blocks if block.protocol == protocol]
    return Part(protocol, heading, tuple(_table(report, block) for block in own))


def _table(report: Report, block: Block) -> Table:
    shown = report.protocols[block.protocol]
    named = dict(shown.columns)
    if tuned(block):
        named["tuning_seconds"] = TUNING
    own = [described_column(name, head, block.metric) for name, head in named.items()]
    compared = any(row.method == report.baseline for row in block.rows)
    found = columns(block.metric, report.baseline if compared else None, own=own)
    return Table(title(block), place(block), found, block.rows)


def tuned(block: Block) -> bool:
    """Return whether a choice of options took time beside the fits of a block."""
    return any("tuning_seconds" in (row.cost or {}) for row in block.rows)


def _overview(domain: str, blocks: Sequence[Block]) -> Table:
    """Set the means of all blocks beside each other, a row for each method."""
    methods = {row.method: row for block in blocks for row in reversed(block.rows)}
    rows = [methods[name] for name in dict.fromkeys(r.method for b in blocks for r in b.rows)]
    found = (
        Column("method", lambda row: row.method, align="left"),
        *(_means(block) for block in blocks),
    )
    return Table(f"{domain}: means", f"{domain}, means", found, tuple(rows))


def _means(block: Block) -> Column:
    own = {row.method: row for row in block.rows}

    def value(row: Row) -> str | None:
        found = own.get(row.method)
        return number(block.metric, found.score.mean) if found and found.score else None

    def markup(row: Row) -> Mark | None:
        found = own.get(row.method)
        return Mark.BEST if found and found.best else None

    return Column(f"{_verb(block.protocol)}, {block.said}", value, markup=markup)


def _verb(protocol: str) -> str:
    return _VERBS.get(protocol, protocol)

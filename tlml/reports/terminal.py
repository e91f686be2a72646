"""A report in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tlml.presentation.columns import Column, Mark
from tlml.presentation.rows import Row
from tlml.presentation.wording import printable
from tlml.reports.remarks import footnotes, remarks
from tlml.reports.summary import Report
from tlml.reports.tables import Table, sections

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

_FILE_WIDTH = 120  # a file has no width of its own to wrap at
_STYLES = {Mark.BEST: "bold", Mark.WORSE: "red"}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the tables and what is missing; a narrow terminal gets fewer columns."""
    from rich.console import Console

    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    for section in sections(report):
        for table in section.tables:
            _print_table(console, table)
    for line in (*remarks(report), *footnotes(report)):
        console.print(_literal(line), style="dim", soft_wrap=True, highlight=False)


def notes_below(columns: Sequence[Column], row: Row) -> Iterator[str]:
    """Return the lines of a row that stand below its table: ``full: negative transfer``."""
    for column in columns:
        if column.place == "below" and (text := column.text(row)):
            yield f"{columns[0].text(row)}: {text}"


def _print_table(console: Console, table: Table) -> None:
    made = _made(table, [column for column in table.columns if column.place != "below"])
    if _width(console, made) > console.width:
        made = _made(table, [column for column in table.columns if column.place == "always"])
    console.print(made)
    for row in table.rows:
        for line in notes_below(table.columns, row):
            console.print(_literal(f"  {line}"), highlight=False)
    console.print()


def _width(console: Console, table: RichTable) -> int:
    unlimited = console.options.update(width=1000)
    return console.measure(table, options=unlimited).maximum


def _made(table: Table, columns: Sequence[Column]) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(title=_literal(printable(table.title)), title_justify="left",
                     box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # fmt: skip
    cells: list[list[Text]] = []
    for column in columns:
        heading = Text(printable(column.heading).replace(" ", "\n", 1))
        own = [_cell(column, row) for row in table.rows]
        cells.append(own)
        # Told its width, rich need not measure every cell, several times each.
        width = max(line.cell_len for line in (*heading.split("\n"), *own))
        made.add_column(heading, justify=column.align, no_wrap=True, width=width)
    for row in zip(*cells, strict=True):
        made.add_row(*row)
    return made


def _cell(column: Column, row: Row) -> Text:
    from rich.text import Text

    mark = column.markup(row)
    text = column.text(row)
    return Text(text) if mark is None else Text.assemble((text, _STYLES[mark]))


def _literal(text: str) -> str:
    """Return text in which brackets stand for themselves."""
    from rich.markup import escape

    return escape(text)

"""A report in Markdown, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from urllib.parse import quote

from tlml.presentation.columns import Column, Mark
from tlml.presentation.rows import Row
from tlml.presentation.wording import printable
from tlml.reports.remarks import footnotes, remarks
from tlml.reports.scene import Picture
from tlml.reports.summary import Report
from tlml.reports.tables import Section, Table, sections

_MARKED = {Mark.BEST: "**{}**", Mark.WORSE: "{}"}
_RULES = {"left": "---", "right": "--:"}


def to_markdown(report: Report, drawn: Mapping[str, Sequence[Picture]]) -> str:
    """Return the whole report.

    Args:
        report: What it says.
        drawn: Pictures by domain, which lie beside it.
    """
    return "\n".join(_report(report, drawn))


def _report(report: Report, drawn: Mapping[str, Sequence[Picture]]) -> Iterator[str]:
    yield from (f"# {_literal(report.name)}", "", *_listed(remarks(report)), "")
    for section in sections(report):
        yield from (f"## {_literal(section.domain)}", "")
        yield from _section(section, drawn.get(section.domain, ()))
    yield from (*_listed(footnotes(report)), "")


def _section(section: Section, drawn: Sequence[Picture]) -> Iterator[str]:
    if section.overview is not None:
        yield from _table(section.overview, "###")
    for part in section.parts:
        if part.heading:
            yield from (f"### {_literal(part.heading)}", "")
        for picture in drawn:
            if picture.protocol == part.protocol:
                yield from (f"![{_literal(picture.name)}]({quote(picture.name)}.png)", "")
        for table in part.tables:
            yield from _table(table, "####" if part.heading else "###")


def _table(table: Table, level: str) -> Iterator[str]:
    yield from (f"{level} {_literal(table.title)}", "")
    yield _pipe(_literal(column.heading) for column in table.columns)
    yield _pipe(_RULES[column.align] for column in table.columns)
    for row in table.rows:
        yield _pipe(_cell(column, row) for column in table.columns)
    yield ""


def _cell(column: Column, row: Row) -> str:
    text, mark = _literal(column.text(row)), column.markup(row)
    return text if mark is None else _MARKED[mark].format(text)


def _listed(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"- {_literal(line)}" for line in lines)


def _literal(text: str) -> str:
    # A type's name such as <class 'X'> would vanish as a tag, and a bar would end a cell.
    return escape(printable(text), quote=False).replace("|", r"\|")


def _pipe(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"

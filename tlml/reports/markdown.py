"""A report in Markdown, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from urllib.parse import quote

from tlml.presentation.columns import Column, Mark
from tlml.presentation.rows import Block, Row
from tlml.presentation.wording import printable, title
from tlml.reports.remarks import columns_of, footnotes, remarks
from tlml.reports.summary import Report

_MARKED = {Mark.BEST: "**{}**", Mark.WORSE: "{}"}
_RULES = {"left": "---", "right": "--:"}


def to_markdown(report: Report) -> str:
    """Return the whole report."""
    return "\n".join(_report(report))


def _report(report: Report) -> Iterator[str]:
    yield from (f"# {_literal(report.name)}", "", *_listed(remarks(report)), "")
    for domain in dict.fromkeys(block.domain for block in report.blocks):
        yield from (f"## {_literal(domain)}", "")
        yield from (f"![{_literal(domain)}]({quote(domain)}.png)", "")
        for block in report.blocks:
            if block.domain == domain:
                yield from (f"### {_literal(title(block))}", "")
                yield from (*_table(block, columns_of(report, block)), "")
    yield from (*_listed(footnotes(report)), "")


def _table(block: Block, columns: Sequence[Column]) -> Iterator[str]:
    yield _piped(_literal(column.heading) for column in columns)
    yield _piped(_RULES[column.align] for column in columns)
    for row in block.rows:
        yield _piped(_cell(column, row) for column in columns)


def _cell(column: Column, row: Row) -> str:
    text, mark = _literal(column.text(row)), column.markup(row)
    return text if mark is None else _MARKED[mark].format(text)


def _listed(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"- {_literal(line)}" for line in lines)


def _literal(text: str) -> str:
    # A type's name such as <class 'X'> would vanish as a tag, and a bar would end a cell.
    return escape(printable(text), quote=False).replace("|", r"\|")


def _piped(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"

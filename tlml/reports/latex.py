r"""A report's tables in LaTeX, for ``\input`` in a paper that loads ``booktabs``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tlml.presentation.columns import Column, Mark
from tlml.presentation.rows import Row
from tlml.presentation.wording import printable
from tlml.reports.remarks import footnotes, remarks
from tlml.reports.summary import Report
from tlml.reports.tables import Table, sections
from tlml.reports.terminal import notes_below

_MARKED = {Mark.BEST: r"\textbf{%s}", Mark.WORSE: r"\textit{%s}"}
_ALIGNED = {"left": "l", "right": "r"}
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}  # fmt: skip


def to_latex(report: Report) -> str:
    """Return one table for each block; remarks and footnotes are comments around them."""
    return "\n".join(_report(report))


def _report(report: Report) -> Iterator[str]:
    yield r"% \usepackage{booktabs}; bold: as good as the best, italic: worse than the baseline, "
    yield "% both by the interval of the paired difference"
    yield from (f"% {line}" for line in remarks(report))
    for section in sections(report):
        for table in section.tables:
            yield from ("", *_table(table))
    yield from ("", *(f"% {line}" for line in footnotes(report)), "")


def _table(table: Table) -> Iterator[str]:
    shown = [column for column in table.columns if column.place != "below"]
    yield from (r"\begin{table}", r"\centering", r"\small")
    yield rf"\caption{{{_literal(table.title)}}}"
    yield rf"\label{{tab:{_label(table)}}}"
    yield rf"\begin{{tabular}}{{@{{}}{''.join(_ALIGNED[column.align] for column in shown)}@{{}}}}"
    yield from (r"\toprule", _line(_literal(column.heading) for column in shown), r"\midrule")
    for row in table.rows:
        yield _line(_cell(column, row) for column in shown)
    yield from (r"\bottomrule", r"\end{tabular}")
    for row in table.rows:
        yield from (rf"\par {_literal(line)}" for line in notes_below(table.columns, row))
    yield r"\end{table}"


def _cell(column: Column, row: Row) -> str:
    text, mark = _literal(column.text(row)), column.markup(row)
    return text if mark is None else _MARKED[mark] % text


def _line(texts: Iterator[str]) -> str:
    return " & ".join(texts) + r" \\"


def _literal(text: str) -> str:
    escaped = "".join(_SPECIAL.get(char, char) for char in printable(text))
    return re.sub(r"(?<!\w)-(?=[.\d])", "$-$", escaped)  # a minus, where a hyphen is too short


def _label(table: Table) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", table.place)

"""A report as tables: in the terminal (rich) and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tlml.reports.summary import (
    CHOSEN_BY,
    NEGATIVE,
    TRANSDUCTIVE,
    USES_QUERIES,
    Block,
    Interval,
    Report,
    Row,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_METHOD, _MEAN, _IQM, _DIFFERENCE, _STEPS, _LABELS, _NOTES = 0, 1, 3, 4, 8, 9, 10
_FILE_WIDTH = 120  # a file has no width of its own to wrap at


def title(block: Block) -> str:
    """Say what a block shows: ``glyphs, 5 shots: accuracy (higher is better)``."""
    return f"{place(block)}: {metric(block)}"


def place(block: Block) -> str:
    """Say where a block was measured: ``glyphs, 5 shots``."""
    return f"{block.domain}, {block.shots} shot{'s' if block.shots != 1 else ''}"


def headings(report: Report, block: Block) -> tuple[str, ...]:
    """Return the column headings of a block."""
    return (
        "method",
        block.metric,
        "95% interval",
        "IQM",
        f"to {report.baseline}",
        "95% interval",
        "fit s",
        "adapt s",
        "steps",
        "labels",
        "notes",
    )


def metric(block: Block) -> str:
    """Name a metric with the direction that is better."""
    return f"{block.metric} ({'higher' if block.higher_is_better else 'lower'} is better)"


def cells(report: Report, block: Block, row: Row) -> tuple[str, ...]:
    """Return the texts of a row, one for each of `headings`."""
    notes = ", ".join(row.notes)
    if row.score is None or row.cost is None:
        return (row.method, *["-"] * 9, notes)
    cost = row.cost
    return (
        row.method,
        number(block, row.score.mean),
        _interval(block, row.score),
        number(block, row.interquartile_mean),
        *_difference(report, block, row),
        seconds(cost.get("fit_seconds", 0.0)),
        seconds(cost.get("adapt_seconds", 0.0)),
        f"{cost.get('gradient_steps', 0.0):g}",
        f"{cost.get('labels', 0.0):g}",
        notes,
    )


def number(block: Block, value: float | None, signed: bool = False) -> str:
    """Write a score: a share as ``.812``, anything else with three digits that count."""
    if value is None or not math.isfinite(value):
        return "-"
    if block.metric == "accuracy":
        text = f"{value:+.3f}" if signed else f"{value:.3f}"
        return text.replace("0.", ".", 1) if abs(round(value, 3)) < 1 else text
    return (f"{value:+#.3g}" if signed else f"{value:#.3g}").removesuffix(".")


def seconds(value: float) -> str:
    """Write a duration in seconds, with a decimal where it is short."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the tables and what is missing; a narrow terminal gets fewer columns."""
    from rich.console import Console
    from rich.markup import escape

    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    for block in report.blocks:
        table = _rich(report, block, narrow=False)
        if _width(console, table) > console.width:
            table = _rich(report, block, narrow=True)
        console.print(table)
        for row in block.rows:
            if row.notes:
                console.print(escape(f"  {row.method}: {', '.join(row.notes)}"), highlight=False)
        console.print()
    for line in (*remarks(report), *footnotes(report)):
        console.print(escape(line), style="dim", soft_wrap=True, highlight=False)


def _width(console: Console, table: Table) -> int:
    unlimited = console.options.update(width=1000)
    return console.measure(table, options=unlimited).maximum


def markdown(report: Report) -> str:
    """Return the whole report in Markdown, with the plots beside it as pictures."""
    lines = [f"# {report.name}", "", *_listed(remarks(report)), ""]
    seen = set()
    for block in report.blocks:
        if block.domain not in seen:
            seen.add(block.domain)
            lines += [f"## {block.domain}", "", f"![{block.domain}]({block.domain}.png)", ""]
        lines += [f"### {title(block)}", "", *_markdown_table(report, block), ""]
    return "\n".join([*lines, *_listed(footnotes(report)), ""])


def remarks(report: Report) -> Iterator[str]:
    """Say what is done, missing, failed and refused."""
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


def footnotes(report: Report) -> Iterator[str]:
    """Explain the columns and the notes that occur."""
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
    chosen = sorted(note for note in notes if note.startswith(CHOSEN_BY))
    if chosen:
        yield (
            f"{CHOSEN_BY}: validation tasks and criteria of source and inputs see no target label; "
            "a choice by target labels sees what it is measured on: a bound, not a method."
        )
    for note in (TRANSDUCTIVE, USES_QUERIES):
        if note in notes:
            yield f"{note}: a prediction depends on the other queries of its episode."


def _difference(report: Report, block: Block, row: Row) -> tuple[str, str]:
    if row.difference is None:
        return ("baseline" if row.method == report.baseline else "-"), "-"
    return number(block, row.difference.mean, signed=True), _interval(block, row.difference, True)


def _interval(block: Block, value: Interval, signed: bool = False) -> str:
    if not math.isfinite(value.low):
        return "-"
    return f"{number(block, value.low, signed)} to {number(block, value.high, signed)}"


def _rich(report: Report, block: Block, narrow: bool) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    hidden = {_NOTES, *((_IQM, _STEPS, _LABELS) if narrow else ())}
    shown = [i for i in range(_NOTES) if i not in hidden]
    table = Table(title=title(block), title_justify="left",
                  box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # fmt: skip
    heads = headings(report, block)
    for i in shown:
        text = heads[i].replace(" ", "\n", 1)
        table.add_column(escape(text), justify="left" if i == _METHOD else "right", no_wrap=True)
    for row in block.rows:
        texts = [escape(text) for text in cells(report, block, row)]
        if row.best:
            texts[_METHOD], texts[_MEAN] = f"[bold]{texts[_METHOD]}[/]", f"[bold]{texts[_MEAN]}[/]"
        if row.worse:
            texts[_DIFFERENCE] = f"[red]{texts[_DIFFERENCE]}[/]"
        table.add_row(*(texts[i] for i in shown))
    return table


def _markdown_table(report: Report, block: Block) -> Iterator[str]:
    heads = headings(report, block)
    yield _piped(heads)
    yield _piped("---" if i in (_METHOD, _NOTES) else "--:" for i in range(len(heads)))
    for row in block.rows:
        texts = list(cells(report, block, row))
        if row.best:
            texts[_METHOD], texts[_MEAN] = f"**{texts[_METHOD]}**", f"**{texts[_MEAN]}**"
        yield _piped(texts)


def _listed(lines: Iterable[str]) -> Iterator[str]:
    # A type's name such as <class 'X'> in a reason would vanish as a tag.
    yield from (f"- {line.replace('<', '&lt;')}" for line in lines)


def _piped(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"

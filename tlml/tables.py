"""A report as tables: in the terminal (rich) and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlml.summary import NEGATIVE, TRANSDUCTIVE, Block, Interval, Report, Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_METHOD, _MEAN, _DIFFERENCE, _NOTES = 0, 1, 4, 10


def title(block: Block) -> str:
    """Say what a block is: ``glyphs, 5 shots``."""
    return f"{block.domain}, {block.shots} shot{'s' if block.shots != 1 else ''}"


def headings(report: Report, block: Block) -> tuple[str, ...]:
    """Return the column headings of a block."""
    return (
        "method",
        metric(block),
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
        seconds(cost.fit_seconds),
        seconds(cost.adapt_seconds),
        f"{cost.gradient_steps:g}",
        f"{cost.labels:g}",
        notes,
    )


def number(block: Block, value: float | None, signed: bool = False) -> str:
    """Write a score: a share as ``.812``, anything else with three digits that count."""
    if value is None or not math.isfinite(value):
        return "-"
    if block.metric == "accuracy":
        text = f"{value:+.3f}" if signed else f"{value:.3f}"
        return text.replace("0.", ".", 1) if abs(round(value, 3)) < 1 else text
    return f"{value:+.3g}" if signed else f"{value:.3g}"


def seconds(value: float) -> str:
    """Write a duration in seconds, with a decimal where it is short."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the tables and what is missing to the terminal."""
    from rich.console import Console
    from rich.markup import escape

    console = console or Console()
    if not console.is_terminal and console.width < _WIDE:
        console.width = _WIDE  # a file has no width to wrap at
    for block in report.blocks:
        console.print(_rich(report, block))
    for line in (*remarks(report), *footnotes(report)):
        console.print(escape(line), style="dim", soft_wrap=True, highlight=False)


_WIDE = 120


def markdown(report: Report) -> str:
    """Return the whole report in Markdown, with the plots beside it as pictures."""
    lines = [f"# {report.name}", "", *(f"- {line}" for line in remarks(report)), ""]
    seen = set()
    for block in report.blocks:
        if block.domain not in seen:
            seen.add(block.domain)
            lines += [f"## {block.domain}", "", f"![{block.domain}]({block.domain}.png)", ""]
        lines += [f"### {title(block)}", "", *_markdown_table(report, block), ""]
    return "\n".join([*lines, *(f"- {line}" for line in footnotes(report)), ""])


def remarks(report: Report) -> Iterator[str]:
    """Say what is done, missing, failed and refused."""
    yield f"{report.name}: {report.done} of {report.planned} cells are done, {report.missing} missing"
    for failure in report.failures:
        yield f"failed: {failure.cell}: {failure.reason}"
    for refusal in report.refused:
        yield f"not run: {refusal.name} on {refusal.domain}: {refusal.reason}"


def footnotes(report: Report) -> Iterator[str]:
    """Explain the columns and the notes that occur."""
    yield (
        "Means are over target episodes, each averaged over its seeds; 95% intervals resample these "
        "episodes (bootstrap) and do not hold the spread between training seeds. IQM: mean of the "
        "middle half of all scores."
    )
    yield f"Differences to {report.baseline} are paired: the same seeds and the same episodes."
    yield (
        "fit s: training, shared by all methods with the same fit; adapt s: all episodes of one "
        "seed; both are means over seeds. steps and labels: for one episode."
    )
    notes = {note for block in report.blocks for row in block.rows for note in row.notes}
    if NEGATIVE in notes:
        yield f"{NEGATIVE}: the whole interval of the difference is on the worse side."
    if TRANSDUCTIVE in notes:
        yield f"{TRANSDUCTIVE}: a prediction depends on the other queries of its episode."


def _difference(report: Report, block: Block, row: Row) -> tuple[str, str]:
    if row.difference is None:
        return ("baseline" if row.method == report.baseline else "-"), "-"
    return number(block, row.difference.mean, signed=True), _interval(block, row.difference, True)


def _interval(block: Block, value: Interval, signed: bool = False) -> str:
    if not math.isfinite(value.low):
        return "-"
    return f"{number(block, value.low, signed)} to {number(block, value.high, signed)}"


def _rich(report: Report, block: Block) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{title(block)}: {metric(block)}", title_justify="left", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0), pad_edge=False,
    )  # fmt: skip
    for position, heading in enumerate(headings(report, block)):
        text = block.metric if position == _MEAN else heading
        left = position in (_METHOD, _NOTES)
        table.add_column(text, justify="left" if left else "right", no_wrap=position != _NOTES)
    for row in block.rows:
        texts = [escape(text) for text in cells(report, block, row)]
        if row.best:
            texts[_METHOD], texts[_MEAN] = f"[bold]{texts[0]}[/]", f"[bold]{texts[_MEAN]}[/]"
        if row.worse:
            texts[_DIFFERENCE] = f"[red]{texts[_DIFFERENCE]}[/]"
        table.add_row(*texts)
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


def _piped(texts: object) -> str:
    return "| " + " | ".join(str(t).replace("|", r"\|") for t in texts) + " |"  # type: ignore[attr-defined]

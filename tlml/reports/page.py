"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from tlml.reports.summary import Block, Report, Row
from tlml.reports.tables import cells, footnotes, headings, remarks, title

_LEFT = {0, 10}  # columns of words: method and notes
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5em 0 1.5em; }
caption { text-align: left; font-weight: 600; padding: .3em 0; }
th, td { padding: .3em .7em; text-align: right; border-bottom: 1px solid #e2e2e2; }
th { border-bottom: 2px solid #888; font-weight: 600; white-space: nowrap; }
td { white-space: nowrap; }
td.word, th.word { text-align: left; } td.notes { white-space: normal; }
td.worse { color: #b00020; } tr.best td.score, tr.best th { font-weight: 700; }
tbody th { font-weight: 400; border-bottom: 1px solid #e2e2e2; }
.notes-list { color: #444; font-size: .9em; }
"""


def page(report: Report, plots: Mapping[str, Mapping[str, bytes]]) -> str:
    """Return the page.

    Args:
        report: What it says.
        plots: PNG files by domain and name; they are put into the page itself.
    """
    name = escape(report.name)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{name}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head>",
            f"<body><h1>{name}</h1>",
            *_list(remarks(report)),
            *_domains(report, plots),
            *_list(footnotes(report)),
            "</body></html>",
            "",
        ]
    )


def _domains(report: Report, plots: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    for domain in dict.fromkeys(block.domain for block in report.blocks):
        yield f"<h2>{escape(domain)}</h2>"
        for name, picture in plots.get(domain, {}).items():
            data = base64.b64encode(picture).decode()
            told = "scores of each method against shots" if name == domain else name
            words = escape(f"{domain}: {told}")
            yield f'<img alt="{words}" src="data:image/png;base64,{data}">'
        for block in report.blocks:
            if block.domain == domain:
                yield from _table(report, block)


def _table(report: Report, block: Block) -> Iterator[str]:
    yield '<div class="wide"><table>'
    yield f"<caption>{escape(title(block))}</caption>"
    heads = (
        f'<th scope="col"{_word(i)}>{escape(text)}</th>'
        for i, text in enumerate(headings(report, block))
    )
    yield f"<thead><tr>{''.join(heads)}</tr></thead><tbody>"
    for row in block.rows:
        yield _row(report, block, row)
    yield "</tbody></table></div>"


def _row(report: Report, block: Block, row: Row) -> str:
    method, *texts = (escape(text) for text in cells(report, block, row))
    kinds = ["score", "", "", "worse" if row.worse else "", "", "", "", "", "", "word notes"]
    data = (
        f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"
        for kind, text in zip(kinds, texts, strict=True)
    )
    best = ' class="best"' if row.best else ""
    return f'<tr{best}><th scope="row" class="word">{method}</th>{"".join(data)}</tr>'


def _word(column: int) -> str:
    return ' class="word"' if column in _LEFT else ""


def _list(lines: Iterable[str]) -> Iterator[str]:
    yield '<ul class="notes-list">'
    yield from (f"<li>{escape(line)}</li>" for line in lines)
    yield "</ul>"

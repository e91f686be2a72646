"""Reports: what a suite's folder holds, as tables, pictures and one page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tlml.files import make_folder, write_atomic
from tlml.reports.latex import to_latex
from tlml.reports.markdown import to_markdown
from tlml.reports.page import to_html
from tlml.reports.pictures import pictures
from tlml.reports.results_json import to_json
from tlml.reports.summary import Report, summarise
from tlml.suites.results import read_results


def report(folder: str | Path) -> Report:
    """Read a suite's folder and write its report into it; only files are read, nothing is run.

    Writes ``results.json``, ``report.md``, ``report.tex``, ``report.html`` and ``<domain>.png``,
    each whole or not at all; beside it ``<domain>-features.png`` where fits saw the target,
    ``<domain>-sizes.png`` where source examples are weighed,
    ``<domain>-<strategy>-<option>.png`` where several values of an option are compared, and
    ``<domain>-retention.png``, ``<domain>-tasks.png`` and ``<domain>-against.png`` of streams.

    Raises:
        TlmlError: The folder holds no plan, a result is damaged, or it cannot be written to.
    """
    folder = Path(folder)
    results = read_results(folder)
    made = summarise(results)
    drawn = {
        domain: list(pictures(own, results.plan, folder, domain))
        for domain, own in _by_domain(made).items()
    }
    make_folder(folder)
    write_atomic(folder / "results.json", to_json(made))
    for own in drawn.values():
        for picture in own:
            write_atomic(folder / f"{picture.name}.png", picture.png)
    write_atomic(folder / "report.md", to_markdown(made, drawn))
    write_atomic(folder / "report.tex", to_latex(made))
    write_atomic(folder / "report.html", to_html(made, drawn))
    return made


def _by_domain(made: Report) -> dict[str, Report]:
    """Return for each domain a report with its scores alone, so that pictures look at no others."""
    scores: dict[str, list[dict[str, Any]]] = {block.domain: [] for block in made.blocks}
    for row in made.scores:
        scores[row["domain"]].append(row)
    return {domain: replace(made, scores=tuple(own)) for domain, own in scores.items()}

"""Reports: what a suite's folder holds, as tables, plots and one page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tlml.files import make_folder, write_atomic
from tlml.reports.feature_plot import panels, plot_features
from tlml.reports.option_plot import curves, plot_curve
from tlml.reports.page import page
from tlml.reports.score_plot import plot
from tlml.reports.size_plot import plot_sizes, sizes
from tlml.reports.summary import Block, Report, Row, summarise
from tlml.reports.tables import markdown, print_report
from tlml.suites.results import Results, read_results

__all__ = ["Report", "print_report", "report", "results_json"]


def report(folder: str | Path) -> Report:
    """Read a suite's folder and write its report into it; only files are read, nothing is run.

    Writes ``results.json``, ``report.md``, ``report.html`` and ``<domain>.png``, each whole or not
    at all; beside it ``<domain>-features.png`` where fits saw the target,
    ``<domain>-sizes.png`` where source examples are weighed, and
    ``<domain>-<strategy>-<option>.png`` where several values of an option are compared.

    Raises:
        TlmlError: The folder holds no plan, a result is damaged, or it cannot be written to.
    """
    folder = Path(folder)
    results = read_results(folder)
    made = summarise(results)
    domains = dict.fromkeys(block.domain for block in made.blocks)
    plots = {domain: _plots(made, results, folder, domain) for domain in domains}
    make_folder(folder)
    write_atomic(folder / "results.json", results_json(made))
    for pictures in plots.values():
        for name, picture in pictures.items():
            write_atomic(folder / f"{name}.png", picture)
    write_atomic(folder / "report.md", markdown(made))
    write_atomic(folder / "report.html", page(made, plots))
    return made


def _plots(made: Report, results: Results, folder: Path, domain: str) -> dict[str, bytes]:
    """Draw what there is to see of a domain, by the names of the files."""
    pictures = {domain: plot(made, domain)}
    if found := panels(folder, results.plan, domain):
        pictures[f"{domain}-features"] = plot_features(found)
    if found_sizes := sizes(made, domain):
        pictures[f"{domain}-sizes"] = plot_sizes(found_sizes, domain)
    for curve in curves(made, domain):
        name = f"{domain}-{curve.strategy}-{curve.option}"
        pictures[name] = plot_curve(curve, domain)
    return pictures


def results_json(made: Report) -> str:
    """Return a report as JSON: ``summary`` by method, ``rows`` by finished cell.

    What is no finite number is null.
    """
    content = {
        "suite": made.name,
        "baseline": made.baseline,
        "planned": made.planned,
        "done": made.done,
        "failed": made.failed,
        "missing": made.missing,
        "failures": [asdict(failure) for failure in made.failures],
        "refused": [refusal.model_dump() for refusal in made.refused],
        "summary": [_summary(block, row) for block in made.blocks for row in block.rows],
        "rows": made.scores,
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _summary(block: Block, row: Row) -> dict[str, Any]:
    score, difference = row.score, row.difference
    return {
        "domain": block.domain,
        "shots": block.shots,
        "method": row.method,
        "metric": block.metric,
        "higher_is_better": block.higher_is_better,
        "mean": score.mean if score else None,
        "interval": [score.low, score.high] if score else None,
        "interquartile_mean": row.interquartile_mean,
        "difference": difference.mean if difference else None,
        "difference_interval": [difference.low, difference.high] if difference else None,
        "worse": row.worse,
        "best": row.best,
        "seeds": row.seeds,
        "planned_seeds": row.planned_seeds,
        "cost": row.cost,
        "notes": list(row.notes),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

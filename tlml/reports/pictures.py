"""The pictures of a report: what there is to see of a domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlml.presentation.rows import Block
from tlml.presentation.scores import draw_scores
from tlml.reports.feature_plot import panels, plot_features
from tlml.reports.option_plot import curves, plot_curve
from tlml.reports.size_plot import plot_sizes, sizes
from tlml.reports.summary import Report
from tlml.suites.results import Planned


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a PNG, and how its file is called.

    Args:
        name: Of the file, without ``.png``.
        told: What it shows, for those who don't see it.
        png: The file.
    """

    name: str
    told: str
    png: bytes


def pictures(report: Report, plan: Planned, folder: Path, domain: str) -> Iterator[Picture]:
    """Draw a domain."""
    blocks = [block for block in report.blocks if block.domain == domain]
    drawn = draw_scores(blocks, report.methods, report.baseline, what_shots_are(blocks))
    yield Picture(domain, "scores of each method against shots", drawn)
    if found := panels(folder, plan, domain):
        yield _named(f"{domain}-features", plot_features(found))
    if found_sizes := sizes(report, domain):
        yield _named(f"{domain}-sizes", plot_sizes(found_sizes, domain))
    for curve in curves(report, domain):
        name = f"{domain}-{curve.strategy}-{curve.option}"
        yield _named(name, plot_curve(curve, domain))


def what_shots_are(blocks: Sequence[Block]) -> str:
    """Say whether shots come with labels."""
    costs = [row.cost for block in blocks if block.value for row in block.rows if row.cost]
    if costs and not any(cost["labels"] for cost in costs):
        return "target examples without labels (shots)"
    return "labelled target examples (shots)"


def _named(name: str, drawn: bytes) -> Picture:
    return Picture(name, name, drawn)

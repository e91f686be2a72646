"""The pictures of a report: what protocols name, where there is something to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tlml.presentation.rows import Block
from tlml.presentation.scores import draw_scores
from tlml.reports.feature_plot import panels, plot_features
from tlml.reports.maze_plot import mazes
from tlml.reports.option_plot import curves, plot_curve, tuned_curves
from tlml.reports.scene import Picture, Scene
from tlml.reports.size_plot import plot_sizes, sizes
from tlml.reports.stream_plots import against, courses, retention, tasks
from tlml.reports.summary import Report
from tlml.suites.results import Planned


def pictures(report: Report, plan: Planned, folder: Path, domain: str) -> Iterator[Picture]:
    """Draw a domain; what a later version calls a picture and this one doesn't know is left out."""
    protocols = dict.fromkeys(block.protocol for block in report.blocks if block.domain == domain)
    for protocol in protocols:
        scene = Scene(report, plan, folder, domain, protocol)
        for name in scene.shown.pictures:
            if name in _DRAWN:
                yield from _DRAWN[name](scene)


def axis_label(unit: str, blocks: Sequence[Block]) -> str:
    """Return what the axis counts; where nothing has a label, shots count none."""
    costs = [row.cost for block in blocks if block.value for row in block.rows if row.cost]
    counted = [cost["labels"] for cost in costs if "labels" in cost]
    if counted and not any(counted):
        return f"{unit.replace('labelled ', '').replace(' (', ' without labels (')}"
    return unit


def _scores(scene: Scene) -> Iterator[Picture]:
    report, blocks = scene.report, scene.blocks
    label = axis_label(scene.shown.unit, blocks)
    drawn = draw_scores(blocks, report.methods, report.baseline, label)
    # The picture that a reader looks for first has the plain name.
    name = scene.domain if scene.protocol == "episodes" else f"{scene.domain}-{scene.protocol}"
    yield scene.picture(name, f"scores of each method against {scene.shown.many}", drawn)


def _features(scene: Scene) -> Iterator[Picture]:
    if found := panels(scene.folder, scene.plan, scene.domain):
        yield _named(scene, "features", plot_features(found))


def _sizes(scene: Scene) -> Iterator[Picture]:
    if found := sizes(scene.scores):
        yield _named(scene, "sizes", plot_sizes(found, scene.domain))


def _options(scene: Scene) -> Iterator[Picture]:
    for curve in curves(scene.scores):
        drawn = plot_curve(curve, scene.domain, scene.shown)
        yield _named(scene, f"{curve.owner}-{curve.option}", drawn)
    for curve in tuned_curves(scene.scores):
        drawn = plot_curve(curve, scene.domain, scene.shown)
        yield _named(scene, f"tuned-{curve.owner}-{curve.option}", drawn)


def _named(scene: Scene, suffix: str, drawn: bytes) -> Picture:
    name = f"{scene.domain}-{suffix}"
    return scene.picture(name, name, drawn)


_DRAWN: Mapping[str, Callable[[Scene], Iterator[Picture]]] = MappingProxyType(
    {
        "scores": _scores,
        "features": _features,
        "sizes": _sizes,
        "options": _options,
        "retention": retention,
        "tasks": tasks,
        "against": against,
        "courses": courses,
        "mazes": mazes,
    }
)

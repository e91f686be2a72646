"""Pictures of streams: what is retained of each task, over the stream and at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.presentation.courses import draw_courses
from tlml.presentation.figure import looks
from tlml.presentation.heat_map import draw_heat_maps
from tlml.presentation.over_stream import draw_over_stream
from tlml.presentation.rows import Block, Interval
from tlml.presentation.scatter import draw_scatter
from tlml.presentation.wording import place
from tlml.reports.scene import Picture, Scene
from tlml.reports.units import Crossed

Matrix = NDArray[np.float64]


def retention(scene: Scene) -> Iterator[Picture]:
    """Draw R as a heat map of each method, with the row before training where it was measured."""
    for block in scene.blocks:
        if found := _matrices(scene, block, "R"):
            first = _matrices(scene, block, "before")
            full = {name: _after(first.get(name), table) for name, table in found.items()}
            learned = [str(task + 1) for task in range(_tasks(found))]
            rows = ["before", *learned] if first else learned
            told = f"{block.metric} on each task after each task"
            drawn = draw_heat_maps(
                {name: _padded(table, len(rows)) for name, table in full.items()},
                rows=rows, columns=learned, row_label="after task",
                column_label=f"{block.metric} on task", metric=block.metric,
                title=f"{place(block)}: {told}",
            )  # fmt: skip
            yield scene.picture(_name(scene, block, "retention"), told, drawn)


def tasks(scene: Scene) -> Iterator[Picture]:
    """Draw each task over the stream, a panel for each method."""
    for block in scene.blocks:
        if found := _matrices(scene, block, "R"):
            told = f"{block.metric} of each task over the stream"
            drawn = draw_over_stream(
                found, metric=block.metric, axis_label=scene.shown.unit,
                title=f"{place(block)}: {told}",
            )  # fmt: skip
            yield scene.picture(_name(scene, block, "tasks"), told, drawn)


def against(scene: Scene) -> Iterator[Picture]:
    """Draw what is retained against what changed since each task was learned.

    A method that learned all tasks at once has no change: its level is a line across.
    """
    for block in scene.blocks:
        changes = _changes(scene, block)
        scores = {row.method: row.score for row in block.rows if row.score is not None}
        points = {name: (change, scores[name]) for name, change in changes.items()}
        levels = {name: score for name, score in scores.items() if name not in changes}
        if points:
            told = "what is retained against what was lost or gained since it was learned"
            drawn = draw_scatter(
                points, looks(scene.report.methods, scene.report.baseline), zero=True,
                levels=levels,
                x_label="BTI: mean change since each task was learned",
                y_label=f"RA: mean {block.metric} after the last task",
                title=f"{place(block)}: RA against BTI with 95% intervals",
            )  # fmt: skip
            yield scene.picture(_name(scene, block, "against"), told, drawn)


def courses(scene: Scene) -> Iterator[Picture]:
    """Draw what learners measured while they were trained, such as the alignment of gradients."""
    for block in scene.blocks:
        rows = _rows(scene, block, "courses")
        for name in dict.fromkeys(name for row in rows for name in row["courses"]):
            told = f"{name} over the stream"
            drawn = draw_courses(
                _courses(scene, block, name), looks(scene.report.methods, scene.report.baseline),
                y_label=name, ends=_ends(scene, block), title=f"{place(block)}: {told}",
            )  # fmt: skip
            yield scene.picture(_name(scene, block, name), told, drawn)


def _rows(scene: Scene, block: Block, name: str) -> Iterator[dict[str, Any]]:
    for row in scene.scores:
        if row["point"] == block.point and row.get(name):
            yield row


def _matrices(scene: Scene, block: Block, name: str) -> dict[str, Matrix]:
    """Return the mean over seeds of a figure that records hold, by method."""
    found: dict[str, list[Any]] = {}
    for row in _rows(scene, block, name):
        found.setdefault(row["method"], []).append(row[name])
    return {method: np.mean(np.array(own, float), axis=0) for method, own in found.items()}


def _courses(scene: Scene, block: Block, name: str) -> dict[str, Matrix]:
    """Return a course by method: at each step the mean over those seeds that measured it."""
    found: dict[str, dict[int, list[float]]] = {}
    for row in _rows(scene, block, "courses"):
        for step, value in row["courses"].get(name, ()):
            found.setdefault(row["method"], {}).setdefault(step, []).append(value)
    return {
        method: np.array([(step, np.mean(own[step])) for step in sorted(own)])
        for method, own in found.items()
    }


def _ends(scene: Scene, block: Block) -> list[float]:
    """Return the steps at which tasks end, where they are the same for all methods."""
    steps = {
        row["cost"]["steps"] for row in _rows(scene, block, "R") if "steps" in row.get("cost", {})
    }
    tasks = int(block.value)
    return (
        [end * task / tasks for end in steps for task in range(1, tasks)] if len(steps) == 1 else []
    )


def _changes(scene: Scene, block: Block) -> dict[str, Interval]:
    """Return BTI with its interval by method: tasks and seeds are resampled, as for the scores."""
    found: dict[str, dict[tuple[int, int | str], float]] = {}
    for row in _rows(scene, block, "R"):
        table = np.array(row["R"], float)
        for task, change in enumerate(table[-1] - np.diagonal(table)):
            found.setdefault(row["method"], {})[row["seed"], task] = float(change)
    return {method: Crossed(changes).interval() for method, changes in found.items()}


def _after(first: Matrix | None, table: Matrix) -> Matrix:
    return table if first is None else np.vstack([first, table])


def _padded(table: Matrix, rows: int) -> Matrix:
    """Return a table with rows of nothing in front, for a method that lacks the first."""
    return np.vstack([np.full((rows - len(table), table.shape[1]), np.nan), table])


def _tasks(found: Mapping[str, Matrix]) -> int:
    return len(next(iter(found.values())))


def _name(scene: Scene, block: Block, suffix: str) -> str:
    name = f"{scene.domain}-{suffix}"
    return name if len(scene.blocks) == 1 else f"{name}-{block.value}"

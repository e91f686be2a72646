"""Pictures of mazes: what agents do and expect in each cell, at the end of their steps."""

from __future__ import annotations

from collections.abc import Iterator

from tlml.presentation.mazes import Walked, draw_mazes
from tlml.reports.scene import Picture, Scene


def mazes(scene: Scene) -> Iterator[Picture]:
    """Draw each task with what every method made of it, by its first seed."""
    found: dict[str, dict[str, Walked]] = {}
    for row in scene.scores:
        for task, maze in (row.get("mazes") or {}).items():
            walked = Walked(maze["cells"], maze["actions"], maze["values"])
            found.setdefault(task, {}).setdefault(row["method"], walked)
    for number, (task, methods) in enumerate(found.items()):
        told = f"{task}: what each method does and expects in each cell"
        drawn = draw_mazes(methods, f"{scene.domain}, {told}")
        yield scene.picture(f"{scene.domain}-maze-{number}", told, drawn)

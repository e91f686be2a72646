"""Pictures of mazes: one for each task, with every method."""

from __future__ import annotations

from typing import Any

import pytest
from presented import report, scene, score

from tlml.presentation.mazes import Walked
from tlml.reports import maze_plot
from tlml.reports.maze_plot import mazes


def walked(letter: str) -> dict[str, Any]:
    return {"cells": ["SG"], "actions": [[letter, ""]], "values": [[1.0, None]]}


def test_each_task_is_drawn_with_all_methods_by_their_first_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[Any, str]] = []
    monkeypatch.setattr(
        maze_plot, "draw_mazes", lambda found, title: drawn.append((found, title)) or b"png"
    )
    here = {"domain": "glyphs", "protocol": "stream"}
    scores = (
        score("one", 0.5, mazes={"first": walked("a"), "second": walked("b")}, **here),
        score("one", 0.5, seed=1, mazes={"first": walked("x")}, **here),
        score("other", 0.5, mazes={"first": walked("c")}, **here),
        score("none", 0.5, **here),
        score("elsewhere", 0.5, mazes={"first": walked("d")}),
    )
    made = scene(report(scores=scores))
    found = list(mazes(made))
    assert [one.name for one in found] == [f"{made.domain}-maze-0", f"{made.domain}-maze-1"]
    assert [{name: maze.actions[0][0] for name, maze in own.items()} for own, _ in drawn] == [
        {"one": "a", "other": "c"}, {"one": "b"}]  # fmt: skip
    assert drawn[0][0]["one"] == Walked(["SG"], [["a", ""]], [[1.0, None]])
    assert "first" in drawn[0][1] and found[1].told.startswith("second: ")


def test_where_nothing_was_walked_nothing_is_drawn() -> None:
    assert list(mazes(scene(report(scores=(score("one", 0.5),))))) == []

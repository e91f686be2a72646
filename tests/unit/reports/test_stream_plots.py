"""Pictures of streams, and what they are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from presented import PNG, report, row, scene, stream_block, stream_score

from tlml.reports import stream_plots
from tlml.reports.scene import Picture, Scene
from tlml.reports.stream_plots import (
    _changes,
    _courses,
    _ends,
    _matrices,
    _padded,
    against,
    courses,
    retention,
    tasks,
)

R = [[0.9, 0.1], [0.5, 0.8]]
Draw = Callable[[Scene], Iterator[Picture]]


def made(*scores: dict[str, object], blocks: int = 1) -> Scene:
    shown = [stream_block(row("naive"), row("er"), tasks=2 + n) for n in range(blocks)]
    return scene(report(*shown, baseline="naive", scores=scores))


@pytest.mark.parametrize(
    ("draw", "name"), [(retention, "retention"), (tasks, "tasks"), (against, "against")]
)
def test_a_stream_has_its_pictures(draw: Draw, name: str) -> None:
    found = made(stream_score("naive", R, before=[0.1, 0.1]), stream_score("er", R))
    (picture,) = draw(found)
    assert (picture.name, picture.protocol) == (f"glyphs-{name}", "stream")
    assert picture.png.startswith(PNG)


@pytest.mark.parametrize("draw", [retention, tasks, against])
def test_without_r_there_is_nothing_to_see(draw: Draw) -> None:
    assert list(draw(made())) == []
    assert list(draw(made(stream_score("joint", R, R=None)))) == []


def test_several_streams_of_a_domain_have_a_picture_each() -> None:
    three = np.eye(3).tolist()
    found = made(stream_score("er", R), stream_score("er", three), blocks=2)
    assert [picture.name for picture in tasks(found)] == ["glyphs-tasks-2", "glyphs-tasks-3"]


def test_r_is_the_mean_over_seeds() -> None:
    found = made(stream_score("er", [[1.0, 0.0], [0.0, 1.0]]), stream_score("er", R, seed=1))
    (block,) = found.blocks
    assert _matrices(found, block, "R")["er"].tolist() == [[0.95, 0.05], [0.25, 0.9]]


def test_bti_is_paired_by_task_and_averaged_over_seeds() -> None:
    found = made(stream_score("er", R), stream_score("er", [[0.7, 0.1], [0.7, 0.8]], seed=1))
    (block,) = found.blocks
    change = _changes(found, block)["er"]
    assert change.mean == pytest.approx(-0.1)  # tasks: -.4 and 0 averaged, and 0
    assert not change.known  # of two tasks
    five = np.tril(np.ones((5, 5))) - 0.1 * np.tril(np.ones((5, 5)), -1)
    shown = stream_block(row("er"), tasks=5)
    found = scene(report(shown, scores=(stream_score("er", five.tolist()),)))
    known = _changes(found, shown)["er"]
    assert known.mean == pytest.approx(-0.08) and -0.1 <= known.low < known.high < -0.03


def test_a_method_without_a_row_before_training_has_an_empty_one() -> None:
    assert np.isnan(_padded(np.eye(2), 3)).tolist() == [[True, True], [False] * 2, [False] * 2]


def test_what_was_measured_on_the_way_has_a_picture_by_its_name() -> None:
    course = {"alignment": [(10, 0.5), (20, -0.5)], "speed": [(10, 9.0)]}
    found = made(stream_score("naive", R, courses=course), stream_score("er", R))
    assert [p.name for p in courses(found)] == ["glyphs-alignment", "glyphs-speed"]
    assert all(p.png.startswith(PNG) for p in courses(found))
    assert list(courses(made(stream_score("er", R)))) == []


def test_a_course_is_the_mean_over_the_seeds_that_measured_a_step() -> None:
    found = made(
        stream_score("er", R, courses={"alignment": [(20, 0.5), (10, 0.1)]}),
        stream_score("er", R, seed=1, courses={"alignment": [(10, 0.3)]}),
        stream_score("naive", R, courses={"speed": [(10, 9.0)]}),
    )
    (block,) = found.blocks
    course = _courses(found, block, "alignment")
    assert {*course} == {"er"}
    assert course["er"] == pytest.approx(np.array([[10, 0.2], [20, 0.5]]))


def test_tasks_end_where_they_do_for_all_methods() -> None:
    def ends(*steps: float) -> list[float]:
        scores = [stream_score(f"m{n}", R, cost={"steps": n}) for n in steps]
        found = made(*scores)
        return _ends(found, found.blocks[0])

    assert ends(40, 40) == [20.0]
    assert ends(40, 20) == ends() == []


def test_a_method_without_r_is_a_level_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def draw(points: Any, looks: Any, **options: Any) -> bytes:
        seen.update(points=points, **options)
        return PNG

    monkeypatch.setattr(stream_plots, "draw_scatter", draw)
    shown = stream_block(row("naive"), row("joint", 0.9))
    list(against(scene(report(shown, baseline="naive", scores=(stream_score("naive", R),)))))
    assert {*seen["points"]} == {"naive"}
    assert {name: level.mean for name, level in seen["levels"].items()} == {"joint": 0.9}

"""Folders of suites are read, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tlml.errors import TlmlError
from tlml.suites import read_results
from tlml.suites.description import EPISODES
from tlml.suites.results import PlannedAdapt, Record, Walk

ONE = "1" * 16
CELL = {"id": ONE, "domain": "d", "seed": 0, "method": "m", "fits": []}
RECORD = {"metric": "accuracy", "higher_is_better": True}
PLANNED: dict[str, Any] = {
    "id": ONE, "domain": "d", "protocol": "episodes", "point": {"shots": 5}, "seed": 0,
    "method": "m", "fits": [],
}  # fmt: skip
MEASURED: dict[str, Any] = {
    "point": {"shots": 5}, "metric": "accuracy", "higher_is_better": True, "units": [0, 1],
    "scores": [0.5, 0.75],
}  # fmt: skip


def folder(path: Path, cell: dict[str, Any], result: dict[str, Any]) -> Path:
    plan = {"name": "x", "baseline": "m", "methods": ["m"], "domains": ["d"], "fits": [],
            "adapts": [{**CELL, **cell}], "refused": []}  # fmt: skip
    (path / "plan.json").write_text(json.dumps(plan))
    place = path / "cells" / ONE
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps({**CELL, **cell, **RECORD, **result}))
    return path


def test_what_0_1_0_wrote_with_shots_is_a_record_of_episodes(tmp_path: Path) -> None:
    found = read_results(
        folder(tmp_path, {"shots": 5}, {"episodes": [0, 3], "scores": [0.1, 0.2], "losses": [1, 2]})
    )
    (record,) = found.records[ONE]
    assert (record.protocol, record.point) == ("episodes", {"shots": 5})
    assert (record.units, record.episodes, record.scores) == ([0, 3], [0, 3], [0.1, 0.2])
    assert found.plan.protocols == {"episodes": EPISODES}
    assert found.plan.adapts[0].points == [{"shots": 5}]


def test_one_record_stands_flat_and_takes_its_place_from_the_plan(tmp_path: Path) -> None:
    cell = {"protocol": "stream", "point": {"tasks": 2}}
    (record,) = read_results(
        folder(tmp_path, cell, {"units": [0, 1], "scores": [0.1, 0.2], "R": [[1, 0], [1, 1]]})
    ).records[ONE]
    assert (record.protocol, record.point, record.R) == ("stream", {"tasks": 2}, [[1, 0], [1, 1]])


def test_several_records_share_what_stands_beside_them(tmp_path: Path) -> None:
    cell = {"protocol": "control", "point": {"env_steps": [0, 200]}}
    parts = [
        {"point": {"env_steps": steps}, "units": ["0/0"], "scores": [score]}
        for steps, score in ((0, -9.0), (200, -3.0))
    ]
    found = read_results(folder(tmp_path, cell, {"records": parts, "learner": "agent"}))
    assert found.plan.adapts[0].points == [{"env_steps": 0}, {"env_steps": 200}]
    first, second = found.records[ONE]
    assert (first.point, second.point) == ({"env_steps": 0}, {"env_steps": 200})
    assert (first.scores, second.scores) == ([-9.0], [-3.0])
    assert first.learner == second.learner == "agent"


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"units": [0], "scores": []}, "0 scores for 1 units"),
        ({"units": [0, 0], "scores": [1, 1]}, "duplicate unit 0"),
        ({"records": []}, "records: List should have at least 1 item"),
    ],
)
def test_a_damaged_result_is_named(tmp_path: Path, result: dict[str, Any], message: str) -> None:
    path = folder(tmp_path, {"protocol": "stream", "point": {"tasks": 1}}, result)
    with pytest.raises(TlmlError, match=message):
        read_results(path)


def test_a_cell_has_a_point_for_each_value_of_its_axis() -> None:
    assert PlannedAdapt(**PLANNED).points == [{"shots": 5}]
    several = PlannedAdapt(**{**PLANNED, "point": {"env_steps": [0, 200]}})
    assert several.points == [{"env_steps": 0}, {"env_steps": 200}]


@pytest.mark.parametrize(("fit", "fits"), [("f" * 16, ["f" * 16]), (None, [])])
def test_plans_of_earlier_versions_are_read(fit: str | None, fits: list[str]) -> None:
    old = {"id": ONE, "domain": "d", "shots": 5, "seed": 0, "method": "m", "fit": fit}
    found = PlannedAdapt.model_validate(old)
    assert (found.fits, found.protocol, found.point) == (fits, "episodes", {"shots": 5})


def test_episodes_are_units_by_their_old_name() -> None:
    old = {key: value for key, value in MEASURED.items() if key != "units"} | {"episodes": [3, 4]}
    assert Record.model_validate(old).units == [3, 4]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scores": [0.5]}, "1 scores for 2 units"),
        ({"units": [0, 0]}, "duplicate unit 0"),
        ({"units": [], "scores": []}, "at least 1 item"),
        ({"tasks": ["a"]}, "1 tasks for 2 units"),
        ({"parts": [0, 1]}, "parts of no tasks"),
        ({"blocks": [6, 6]}, "equally many resampled scores"),
        ({"resampled": [[0.5], [0.5]]}, "equally many resampled scores"),
        ({"blocks": [6, 6], "resampled": [[0.5], []]}, "equally many resampled scores"),
    ],
)
def test_a_record_has_one_score_for_each_unit(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Record.model_validate({**MEASURED, **changes})


def test_a_maze_is_told_cell_by_cell() -> None:
    assert Walk(cells=["S."], actions=[["a", "b"]], values=[[1.0, None]]).values == [[1.0, None]]
    for actions, values in (([["a"], ["b"]], [[1.0], [2.0]]), ([["a", "b"]], [[1.0]]), ([], [])):
        with pytest.raises(ValidationError, match="actions and values of a maze have one shape"):
            Walk(cells=["S."], actions=actions, values=values)


def test_what_a_later_version_adds_is_no_error() -> None:
    found = Record.model_validate({**MEASURED, "mood": "good"})
    assert found.scores == [0.5, 0.75] and not hasattr(found, "mood")

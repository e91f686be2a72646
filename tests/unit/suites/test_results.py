"""Records and plans as files hold them, of older versions too."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tlml.suites.results import PlannedAdapt, Record

CELL: dict[str, Any] = {
    "id": "a", "domain": "d", "protocol": "episodes", "point": {"shots": 5}, "seed": 0,
    "method": "m", "fits": [],
}  # fmt: skip
RECORD: dict[str, Any] = {
    "point": {"shots": 5}, "metric": "accuracy", "higher_is_better": True, "units": [0, 1],
    "scores": [0.5, 0.75],
}  # fmt: skip


def test_a_cell_has_a_point_for_each_value_of_its_axis() -> None:
    assert PlannedAdapt(**CELL).points == [{"shots": 5}]
    several = PlannedAdapt(**{**CELL, "point": {"env_steps": [0, 200]}})
    assert several.points == [{"env_steps": 0}, {"env_steps": 200}]


@pytest.mark.parametrize(("fit", "fits"), [("f", ["f"]), (None, [])])
def test_plans_of_earlier_versions_are_read(fit: str | None, fits: list[str]) -> None:
    old = {"id": "a", "domain": "d", "shots": 5, "seed": 0, "method": "m", "fit": fit}
    found = PlannedAdapt.model_validate(old)
    assert (found.fits, found.protocol, found.point) == (fits, "episodes", {"shots": 5})


def test_episodes_are_units_by_their_old_name() -> None:
    old = {key: value for key, value in RECORD.items() if key != "units"} | {"episodes": [3, 4]}
    assert Record.model_validate(old).units == [3, 4]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scores": [0.5]}, "1 scores for 2 units"),
        ({"units": [0, 0]}, "a unit is there twice"),
        ({"units": [], "scores": []}, "at least 1 item"),
    ],
)
def test_a_record_has_one_score_for_each_unit(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Record.model_validate({**RECORD, **changes})


def test_what_a_later_version_adds_is_no_error() -> None:
    found = Record.model_validate({**RECORD, "mood": "good"})
    assert found.scores == [0.5, 0.75] and not hasattr(found, "mood")

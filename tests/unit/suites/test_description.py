"""What a protocol says about itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tlml.suites.description import EPISODES, Description


@pytest.mark.parametrize(("value", "text"), [(0, "0 shots"), (1, "1 shot"), (5, "5 shots")])
def test_values_of_the_axis_are_said_as_people_do(value: int, text: str) -> None:
    assert EPISODES.said(value) == text


def test_it_survives_json_and_what_a_later_version_adds() -> None:
    text = EPISODES.model_dump_json()
    assert Description.model_validate_json(text) == EPISODES
    later = {**EPISODES.model_dump(), "colour": "blue"}
    assert Description.model_validate(later) == EPISODES


def test_it_can_not_be_changed_nor_lack_its_axis() -> None:
    with pytest.raises(ValidationError):
        EPISODES.axis = "tasks"
    with pytest.raises(ValidationError, match="axis"):
        Description(unit="u", one="o", many="m", paired="p")  # type: ignore[call-arg]

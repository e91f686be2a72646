"""What a protocol says about itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tlml.suites.description import EPISODES, Description


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 shots"), (1, "1 shot"), (5, "5 shots"), ("all", "all shots"),
    (0.1, "10% of the examples"), (0.07, "7% of the examples"),
])  # fmt: skip
def test_values_of_the_axis_are_said_as_people_do(value: Any, text: str) -> None:
    assert EPISODES.said(value) == text


def test_numbers_come_before_shares_and_those_before_words() -> None:
    values = ["all", 5, 0.5, 0.1, 1]
    assert sorted(values, key=EPISODES.order) == [1, 5, 0.1, 0.5, "all"]
    assert [EPISODES.tick(value) for value in values] == ["all", "5", "50%", "10%", "1"]
    plain = EPISODES.model_copy(update={"share": ""})
    assert plain.said(0.5) == "0.5 shots" and plain.tick(0.5) == "0.5"


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

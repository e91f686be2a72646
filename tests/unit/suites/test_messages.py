"""What pydantic finds wrong, in a user's words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tlml.suites import Suite
from tlml.suites.messages import readable, unknown_key

WHOLE: dict[str, Any] = {
    "name": "s", "domains": {"d": {"shots": 1}}, "methods": {"m": {"strategy": "full"}},
}  # fmt: skip


def problems(**changes: Any) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Suite.model_validate({**WHOLE, **changes})
    found = [readable(detail, Suite) for detail in caught.value.errors()]
    return [(problem.where, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("changes", "where", "text"),
    [
        ({"method": 1}, (), "unknown key 'method'; did you mean 'methods'?"),
        ({"seeds": 0}, ("seeds",), "must be greater than 0, is 0"),
        ({"methods": 3}, ("methods",), "must be a mapping, is 3"),
        ({"methods": {}}, ("methods",), "must not be empty"),
        (
            {"methods": {"m": {"strategyy": "full"}}}, ("methods", "m"),
            "unknown key 'strategyy'; did you mean 'strategy'?",
        ),
    ],
)  # fmt: skip
def test_each_error_says_what_must_be(
    changes: dict[str, Any], where: tuple[str, ...], text: str
) -> None:
    assert (where, text) in problems(**changes)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Suite.model_validate({key: WHOLE[key] for key in ("name", "domains")})
    (problem,) = (readable(detail, Suite) for detail in caught.value.errors())
    assert problem.message == "the key 'methods' is missing"


def test_an_unknown_key_has_a_near_one_or_the_list() -> None:
    assert unknown_key("sed", ["seeds", "name"]) == "unknown key 'sed'; did you mean 'seeds'?"

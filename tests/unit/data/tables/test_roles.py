from __future__ import annotations

from typing import Any

import pytest

from tlml import TlmlError
from tlml.data.tables.roles import as_names, find_roles

COLUMNS = ["site", "day", "soil", "temp_min", "temp_max", "wind"]


def roles(**options: Any) -> Any:
    given = {"target": "wind", "features": None, "group": None, "order": None, **options}
    return find_roles(COLUMNS, **given)


def test_what_is_nothing_else_is_an_input() -> None:
    found = roles(group="site", order="day", beside=["soil"])
    assert found.features == ("temp_min", "temp_max")
    assert found.used() == ["wind", "temp_min", "temp_max", "site", "day"]


def test_inputs_are_named_by_patterns_in_the_tables_order() -> None:
    assert roles(features=["wind*", "soil", "temp_*"]).features == ("soil", "temp_min", "temp_max")
    assert roles(features="temp_*", target=["temp_max", "wind"]).features == ("temp_min",)
    assert roles(features="soil", beside=["soil"]).features == ("soil",)


def test_names_that_are_numbers_are_text() -> None:
    found = find_roles(["0", "1", "2"], 2, [0], None, None)  # type: ignore[arg-type]
    assert (found.targets, found.features) == (("2",), ("0",))
    assert as_names("ab") == ["ab"] and as_names((1, "b")) == ["1", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "wnd"}, "target: no column is called 'wnd'; did you mean wind?"),
        ({"target": []}, "target: names no column; choose from "
         "day, site, soil, temp_max, temp_min, wind"),
        ({"group": "sites"}, "group: no column is called 'sites'; did you mean site?"),
        ({"order": "dayy"}, "order: no column is called 'dayy'; did you mean day?"),
        ({"features": ["soils"]}, "features: no column is called 'soils'; did you mean soil?"),
        ({"features": "x*"}, "features: no column is called 'x*'; choose from "
         "day, site, soil, temp_max, temp_min, wind"),
        ({"features": ["wind"]}, "features: 'wind' is named as another thing, too; a column is "
         "one"),
        ({"group": "wind"}, "group: 'wind' is named as another thing, too; a column is one"),
        ({"features": "win*"}, "features: no column is left to predict from; name some"),
    ],
)  # fmt: skip
def test_what_names_no_column_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        roles(**options)
    assert str(caught.value) == message

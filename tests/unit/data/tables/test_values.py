from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tlml import TlmlError
from tlml.data.tables.values import as_text, holds_numbers, in_order, numbers, ranks, texts, times


def column(*values: Any, **options: Any) -> pd.Series:
    return pd.Series(list(values), name="wind", **options)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (column(1, 2.5, None), True),
        (column(True, False), True),
        (column("1", "2.5", None), True),
        (column("1", "2", "calm"), True),  # a mistake among numbers, which `numbers` names
        (column("calm", "storm", "7"), False),
        (column(1, 2, dtype="Int64"), True),
        (column(1, 2, dtype="category"), False),
        (column(None, None, dtype=object), False),
    ],
)
def test_numbers_are_told_from_text(values: pd.Series, expected: bool) -> None:
    assert holds_numbers(values) is expected


def test_what_is_missing_is_not_a_number() -> None:
    for values in (column(1, None, 3), column("1", None, "3"), column(1, None, 3, dtype="Int64")):
        np.testing.assert_array_equal(numbers(values), [1, np.nan, 3])
    np.testing.assert_array_equal(numbers(column(True, False)), [1, 0])
    np.testing.assert_array_equal(numbers(column(True, None, dtype=object)), [1, np.nan])


def test_text_of_whole_numbers_has_no_point() -> None:
    assert texts(column(1.0, None, 3.0)).fillna("-").tolist() == ["1", "-", "3"]
    assert texts(column(1.5, 2.0)).tolist() == ["1.5", "2.0"]
    assert texts(column("a", None)).fillna("-").tolist() == ["a", "-"]
    assert [as_text(one) for one in (1, 1.0, 1.5, "1.0", True)] == ["1", "1", "1.5", "1.0", "True"]


def test_names_that_are_numbers_are_in_their_order() -> None:
    assert in_order(["b", "10", "9", "a", "9", "1.5"]) == ["1.5", "9", "10", "a", "b"]


def test_dates_and_numbers_rise_with_time() -> None:
    dates = ["2024-01-01", "2024-01-02 12:00", "2023-12-31"]
    for values in (column(*dates), pd.to_datetime(column(*dates), format="mixed")):
        assert np.diff(times(values)).tolist() == [1.5 * 86400, -2.5 * 86400]
    assert times(column("10", "9")).tolist() == [10, 9]
    zoned = pd.to_datetime(column("2024-01-01 00:00"), utc=True)
    assert times(zoned).tolist() == times(column("2024-01-01")).tolist()


def test_ranks_follow_numbers_as_numbers_and_text_as_text() -> None:
    assert ranks(column(10, 9, None, 10)).tolist() == [1, 0, -1, 1]
    assert ranks(column("b", None, "a", dtype=object)).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (numbers, column("1", "calm", "3"), "column 'wind': 1 of 3 entries is not a number, such "
         "as 'calm' in row 1; mend them, or leave them empty where they are missing"),
        (numbers, column(1, np.inf, -np.inf), "column 'wind': 2 of 3 entries are infinite, or "
         "beyond 3e+38, the first in row 1; mend them, or leave them empty where they are missing"),
        (numbers, column(1e300, 1), "column 'wind': 1 of 2 entries is infinite, or beyond 3e+38, "
         "the first in row 0; mend them, or leave them empty where they are missing"),
        (holds_numbers, pd.to_datetime(column("2024-01-01")), "column 'wind': it holds times; name "
         "it as order, or make numbers of it, such as the day of the year"),
        (holds_numbers, column(1j), "column 'wind': its numbers are complex; make two of it"),
        (times, column("2024-01-01", "soon"), "order: column 'wind' must hold numbers or dates; in "
         "row 1 it has 'soon'"),
    ],
)  # fmt: skip
def test_what_is_neither_is_named_with_its_row(read: Any, values: Any, message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        read(values)
    assert str(caught.value) == message

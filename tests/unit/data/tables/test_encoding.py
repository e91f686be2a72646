from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml import TlmlError
from tlml.data.tables.encoding import MOST_CATEGORIES, Encoding, center, fit_encoding

FRAME = pd.DataFrame(
    {
        "soil": ["sand", "clay", None, "peat", "clay"],
        "wind": [1.0, None, 3.0, 100.0, None],
        "flag": [True, False, True, True, False],
    }
)
SOURCE = np.array([True, True, True, False, False])


def fitted(frame: pd.DataFrame = FRAME, scaled: bool = True) -> Encoding:
    return fit_encoding(frame, ["soil", "wind", "flag"], SOURCE, scaled=scaled)


def test_inputs_are_named() -> None:
    assert fitted().names() == ["soil = clay", "soil = sand", "wind", "wind is missing", "flag"]


def test_each_kind_of_column_becomes_inputs_by_the_source() -> None:
    found = fitted(scaled=False).encode(FRAME)
    assert found.tolist() == [
        [0, 1, 1, 0, 1],
        [1, 0, 2, 1, 0],  # the median of 1 and 3, and that it was missing
        [0, 0, 3, 0, 1],  # missing text is no category
        [0, 0, 100, 0, 1],  # nor is one that the source has not
        [1, 0, 2, 1, 0],
    ]
    scaled = fitted().encode(FRAME)
    assert scaled[:, 2].tolist() == [-1, 0, 1, 98, 0]
    assert np.allclose(scaled[:3, 4], (np.array([1, 0, 1]) - 2 / 3) / np.std([1, 0, 1]))


def test_what_only_others_lack_has_no_input_that_says_so() -> None:
    frame = FRAME.assign(wind=[1.0, 2.0, 6.0, None, 4.0])
    found = fitted(frame, scaled=False)
    assert "wind is missing" not in found.names()
    assert found.encode(frame)[3, 2] == 2


def test_a_column_without_spread_stays_finite() -> None:
    frame = FRAME.assign(wind=[0.1, 0.1, 0.1, 5.0, 0.1])
    assert fitted(frame).encode(frame)[:, 2].tolist() == [0, 0, 0, 4.9, 0]
    assert center(np.full(7, 0.1)) == (0.1, 0.0)


@given(
    others=st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(max_size=3)),
            st.one_of(st.none(), st.floats(-1e9, 1e9)),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_row_beside_the_source_has_a_say(others: list[tuple[object, ...]]) -> None:
    rest = pd.DataFrame(others, columns=list(FRAME))
    frame = pd.concat([FRAME[SOURCE].astype(object), rest.astype(object)], ignore_index=True)
    source = np.arange(len(frame)) < SOURCE.sum()
    assert fit_encoding(frame, list(FRAME), source, scaled=True) == fitted()


def test_columns_that_can_be_no_input_are_named() -> None:
    many = pd.DataFrame({"name": [f"n{i}" for i in range(MOST_CATEGORIES + 1)], "void": None})
    all_rows = np.ones(len(many), bool)
    with pytest.raises(TlmlError) as caught:
        fit_encoding(many, ["name"], all_rows, scaled=True)
    assert str(caught.value) == (
        "column 'name': it is text with 51 different entries in the source, and an input is made "
        "for each of 50 at most; leave it out of features, join entries, or name it as order where "
        "it is a date"
    )
    with pytest.raises(TlmlError) as caught:
        fit_encoding(many, ["void"], all_rows, scaled=True)
    assert str(caught.value) == (
        "column 'void': it has no values in the source; leave it out of features"
    )

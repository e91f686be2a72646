"""Labels and places that are no numbers, or wrap round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlml import TlmlError
from tlml_vision.storage.numbers import whole_numbers

WRONG = [["a"], [0.5], [None], [-1], [[1]], [[1], [1, 2]], 3, None, "text", [1, "a"], [True]]


@pytest.mark.parametrize("values", WRONG, ids=map(str, WRONG))
def test_what_is_no_whole_number_from_0_on_is_refused(values: Any) -> None:
    with pytest.raises(TlmlError) as caught:
        whole_numbers(values, "labels", Path("data.pkl"))
    assert str(caught.value) == (
        "data.pkl: labels must be whole numbers from 0 on, one for each image"
    )


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.dtype(">i4")])
def test_whole_numbers_of_any_kind_are_taken(kind: Any) -> None:
    found = whole_numbers(np.array([0, 2], kind), "labels", Path("data.pkl"))
    assert found.dtype == np.int64 and found.tolist() == [0, 2]
    assert whole_numbers([], "labels", Path("data.pkl")).shape == (0,)

"""Pickles of arrays are read without executing them."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlml import TlmlError
from tlml_vision.storage.safe_pickle import load_pickle


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


class Making:
    """Pickles as a call of something."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_numbers_and_containers_come_back_as_they_were(tmp_path, protocol):
    content = OrderedDict(
        image_data=np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        turned=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        swapped=np.arange(3, dtype=">i4"),
        label=np.int64(3),
        names=["a", "ü", b"bytes", {"x": (1, None, True)}, {4}],
        words=np.array(["one", "three"]),
    )
    found = load_pickle(written(tmp_path / "a.pkl", content, protocol))
    assert list(found) == list(content)
    for key in ("image_data", "turned", "swapped", "words"):
        np.testing.assert_array_equal(found[key], content[key])
        assert found[key].dtype.kind == content[key].dtype.kind
    assert found["label"] == 3
    assert found["names"] == content["names"]


@pytest.mark.parametrize(
    "call", [(os.system, ("true",)), (eval, ("1",)), (getattr, ("a", "upper"))], ids=repr
)
def test_calls_are_refused_and_not_made(tmp_path, call):
    with pytest.raises(TlmlError, match=r"this pickle asks for .*and only numpy arrays and plain"):
        load_pickle(written(tmp_path / "a.pkl", {"x": Making(*call)}))


def test_a_type_that_claims_to_hold_objects_is_not_believed(tmp_path):
    forged = Making(np.dtype, ("V8", False, True), (3, "|", None, None, None, 8, 1, 63))
    kind = np.empty(0).__reduce__()[0]
    array = Making(kind, (np.ndarray, (0,), b"b"), (1, (4,), forged, False, [1, 2, 3, 4]))
    with pytest.raises(TlmlError, match=r"arrays of type V8 hold no numbers"):
        load_pickle(written(tmp_path / "a.pkl", {"image_data": array}))
    objects = np.array([{}, None], dtype=object)
    with pytest.raises(TlmlError, match=r"arrays of type O\w* hold no numbers"):
        load_pickle(written(tmp_path / "a.pkl", objects))


def test_damage_and_absence_are_told_in_a_line(tmp_path):
    whole = written(tmp_path / "a.pkl", {"x": np.arange(100)})
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(TlmlError, match=r"a\.pkl: is damaged or no pickle"):
        load_pickle(whole)
    with pytest.raises(TlmlError, match=r"b\.pkl: can't be read: No such file"):
        load_pickle(tmp_path / "b.pkl")

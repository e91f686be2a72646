"""Objects that remember their options, and their form as plain data."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import tlml
from tlml.recorded import Recorded, describe_object, plain


class Waves(Recorded):
    def __init__(self, height: float, /, period: int = 12, *rest: int, **more: Any) -> None:
        self.height = height


def test_arguments_are_remembered_with_their_defaults() -> None:
    assert Waves(2.0).options == {"height": 2.0, "period": 12}
    assert Waves(2.0, 3, 4, colour="blue").options == {
        "height": 2.0, "period": 3, "colour": "blue",
    }  # fmt: skip


def test_a_wrong_call_is_the_constructors_own_error() -> None:
    with pytest.raises(TypeError, match="height"):
        Waves()


def test_options_survive_a_pickle() -> None:
    domain = tlml.domain("sinusoid", noise=0.5)
    assert pickle.loads(pickle.dumps(domain)).options == domain.options


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        ({1: (2, 3)}, {"1": [2, 3]}),
        (Path("a") / "b", str(Path("a") / "b")),
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (nn.Identity(), "given:torch.nn.modules.linear.Identity"),
    ],
    ids=str,
)
def test_values_become_plain_data(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_an_object_is_its_name_and_its_options() -> None:
    found = describe_object(tlml.domain("sinusoid", noise=0.5))
    assert found["name"] == "sinusoid"
    assert found["options"]["noise"] == 0.5
    outer = Waves(1.0, inner=tlml.strategy("sgd", steps=3))
    assert plain(outer)["options"]["inner"]["name"] == "sgd"

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tlml import TlmlError
from tlml.data.tables.targets import MOST_CLASSES, Classes, Values, fit_targets

FRAME = pd.DataFrame(
    {
        "soil": ["sand", "clay", "peat", "clay"] * 4,
        "stars": [10, 2, 1, 9] * 4,
        "count": range(16),
        "temp": np.arange(16) / 2,
        "rain": np.arange(16)[::-1] * 10.0,
        "same": 3,
        "dry": [True, False] * 8,
    }
)
ALL = np.ones(16, bool)


def fit(*targets: str, listed: bool = False, scaled: bool = True, source: Any = ALL) -> Any:
    return fit_targets(FRAME, targets, source, listed=listed, scaled=scaled)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("soil", ("clay", "peat", "sand")),
        ("stars", ("1", "2", "9", "10")),
        ("dry", ("False", "True")),
    ],
)
def test_text_booleans_and_few_whole_numbers_are_classes(name: str, labels: tuple[str]) -> None:
    found = fit(name)
    assert isinstance(found, Classes)
    assert found.labels == labels
    y = found.encode(FRAME)
    assert y.dtype == torch.int64
    assert [labels[i] for i in y] == FRAME[name].astype(str).tolist()


@pytest.mark.parametrize(("name", "listed"), [("count", False), ("temp", False), ("stars", True)])
def test_other_numbers_are_values(name: str, listed: bool) -> None:
    assert isinstance(fit(name, listed=listed), Values)


def test_values_are_scaled_by_the_source_alone() -> None:
    found = fit("temp", source=np.arange(16) < 3)
    y = found.encode(FRAME)
    assert y.dtype == torch.float32
    assert y.shape == (16, 1)
    assert torch.allclose(y[:3].std(correction=0), torch.tensor(1.0))
    assert torch.allclose(y[:3].mean(), torch.tensor(0.0), atol=1e-6)


@pytest.mark.parametrize("scaled", [True, False])
def test_errors_are_in_the_units_of_the_table(scaled: bool) -> None:
    found = fit("temp", scaled=scaled)
    y = found.encode(FRAME)
    scores = y + (2 / found.spreads[0] if scaled else 2)
    assert {name: float(value) for name, value in found.measures(scores, y).items()} == (
        pytest.approx({"rmse": 2.0, "mae": 2.0}, rel=1e-5)
    )


@pytest.mark.parametrize("scaled", [True, False])
def test_several_targets_are_compared_in_deviations_and_told_in_units(scaled: bool) -> None:
    found = fit("temp", "rain", listed=True, scaled=scaled)
    y, spreads = found.encode(FRAME), torch.tensor(found.spreads)
    scores = y + torch.tensor([1.0, 30.0]) / (spreads if scaled else 1)
    measured = {name: float(value) for name, value in found.measures(scores, y).items()}
    whole = float(((1 / spreads[0]) ** 2 + (30 / spreads[1]) ** 2) / 2) ** 0.5
    assert measured == pytest.approx(
        {"scaled_rmse": whole, "rmse_temp": 1.0, "rmse_rain": 30.0}, rel=1e-4
    )
    assert next(iter(measured)) == "scaled_rmse"


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["same"], "target: 'same' is 3 in all 16 rows of the source; there is nothing to learn; "
         "choose other groups as source"),
        (["temp", "soil"], "target: 'soil' is text, and of several targets each must be numbers; "
         "name it alone for classes"),
    ],
)  # fmt: skip
def test_targets_that_tell_nothing_are_refused(targets: list[str], message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        fit(*targets, listed=True)
    assert str(caught.value) == message


def test_classes_that_are_one_or_too_many_are_refused() -> None:
    with pytest.raises(TlmlError) as caught:
        fit("same")
    assert str(caught.value) == ("target: 'same' is '3' in all rows; there is nothing to predict")
    many = pd.DataFrame({"name": [f"n{i}" for i in range(MOST_CLASSES + 1)]})
    with pytest.raises(TlmlError, match=r"^target: 'name' is text with 51 different entries; 50"):
        fit_targets(many, ["name"], np.ones(len(many), bool), listed=False, scaled=True)

from __future__ import annotations

import importlib.util
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import stations, write_stations

import tlml
from tlml import EpisodeView, TlmlError
from tlml.data import SPLITS
from tlml.data.tables.domain import Table, TableFile, tell_once

FRAME = stations()
INPUTS = ["pressure", "wind", "soil"]
OPTIONS: dict[str, Any] = {"target": "temp", "group": "site", "features": INPUTS}
EXACTLY = {"rtol": 0.0, "atol": 0.0}
DAYS = {**OPTIONS, "order": "day"}


@pytest.fixture(autouse=True)
def untold() -> None:
    """Forget what other tests have been warned of."""
    tell_once.cache_clear()


def table(frame: pd.DataFrame = FRAME, **options: Any) -> Any:
    return tlml.table(frame, **{**OPTIONS, **options})


def held(domain: Any) -> dict[str, Any]:
    return {f"{split} {task.name}": task.split("train") for split in SPLITS
            for task in domain.tasks(split)}  # fmt: skip


def assert_equal(one: Any, other: Any, **tolerance: float) -> None:
    found, expected = held(one), held(other)
    assert list(found) == list(expected)
    for name, data in found.items():
        torch.testing.assert_close(data.x, expected[name].x, **(tolerance or EXACTLY))
        torch.testing.assert_close(data.y, expected[name].y, **(tolerance or EXACTLY))


def test_groups_are_tasks_of_their_rows() -> None:
    domain = table()
    assert isinstance(domain, Table)
    assert [len(domain.tasks(split)) for split in SPLITS] == [6, 2, 2]
    task = domain.tasks("target")[0]
    rows = FRAME[FRAME["site"] == task.name]
    assert len(task.split("train")) == len(rows)
    assert len(task.split("val")) == len(task.split("test")) == 0
    assert domain.x == Box(-np.inf, np.inf, (6,), np.float32)
    assert domain.y == Box(-np.inf, np.inf, (1,), np.float32)
    assert domain.input_names == [
        "soil = clay", "soil = peat", "soil = sand", "pressure", "wind", "wind is missing",
    ]  # fmt: skip
    assert domain.target_names == ("temp",)


def test_numbers_have_mean_0_and_deviation_1_in_the_source_alone() -> None:
    x = torch.cat([task.rows.x for task in table().tasks("source")])
    y = torch.cat([task.rows.y for task in table().tasks("source")])
    assert torch.allclose(x[:, 3].mean(), torch.tensor(0.0), atol=1e-5)
    assert torch.allclose(x[:, 3].std(correction=0), torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(y.std(correction=0), torch.tensor(1.0), atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(-1e6, 1e6), st.sampled_from(["x", "clay"]))
def test_no_row_beside_the_source_has_a_say(seed: int, value: float, soil: str) -> None:
    domain, rng = table(), np.random.default_rng(seed)
    outside = ~FRAME["site"].isin([task.name for task in domain.tasks("source")])
    changed = FRAME.copy()
    for column, new in (("pressure", value), ("wind", value), ("soil", soil), ("temp", value)):
        changed.loc[outside & (rng.random(len(FRAME)) < 0.5), column] = new
    other = table(changed)
    assert other.inputs == domain.inputs
    assert other.targets == domain.targets
    for one, two in zip(domain.tasks("source"), other.tasks("source"), strict=True):
        assert torch.equal(one.rows.x, two.rows.x)
        assert torch.equal(one.rows.y, two.rows.y)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-100, 100), st.floats(1e-3, 1e3))
def test_units_of_columns_change_nothing_but_the_units_of_errors(
    factor: float, offset: float, target: float
) -> None:
    changed = FRAME.assign(wind=FRAME["wind"] * factor + offset, temp=FRAME["temp"] * target)
    one, other = table(), table(changed)
    assert_equal(one, other, rtol=1e-3, atol=1e-3)
    batch = one.tasks("target")[0].rows
    scores = torch.zeros_like(batch.y)
    expected = one.measure(batch, scores)["rmse"] * target
    torch.testing.assert_close(other.measure(batch, scores)["rmse"], expected, rtol=1e-3, atol=0)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(FRAME))))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    shuffled = FRAME.iloc[order]
    assert_equal(table(), table(shuffled))
    assert_equal(table(order="day"), table(shuffled, order="day"))
    assert_equal(table(group=None), table(shuffled, group=None))


def test_files_and_frames_are_equal_tasks(tmp_path: Path) -> None:
    path = write_stations(tmp_path)
    domain = tlml.domain("table", path=str(path), **DAYS)
    assert isinstance(domain, TableFile)
    assert_equal(domain, table(order="day"))
    assert_equal(domain, tlml.table(path, **DAYS))
    assert_equal(domain, pickle.loads(pickle.dumps(domain)))
    if importlib.util.find_spec("pyarrow"):
        FRAME.to_parquet(tmp_path / "stations.parquet")
        assert_equal(domain, tlml.table(tmp_path / "stations.parquet", **DAYS))
    (tmp_path / "parts").mkdir()
    for name, frame in FRAME.groupby("site"):
        frame.drop(columns="site").to_csv(tmp_path / "parts" / f"{name}.csv", index=False)
    parts = tlml.table(tmp_path / "parts", **{**DAYS, "group": "file"})
    assert_equal(domain, parts)


def test_the_state_of_a_table_is_that_of_its_rows_or_its_file(tmp_path: Path) -> None:
    assert table().fingerprint() == table(FRAME.copy()).fingerprint()
    assert table().fingerprint() != table(FRAME.assign(temp=FRAME["temp"] + 1)).fingerprint()
    gusts = table(FRAME.rename(columns={"wind": "gust"}), features=["pressure", "gust", "soil"])
    assert table().fingerprint() != gusts.fingerprint()
    assert table().fingerprint() == table(FRAME.drop(columns="rain")).fingerprint()
    path = write_stations(tmp_path)
    before = tlml.table(path, **OPTIONS).fingerprint()
    FRAME.assign(temp=1.0 * np.arange(len(FRAME))).to_csv(path, index=False)
    assert before != tlml.table(path, **OPTIONS).fingerprint()


def test_rows_are_in_the_order_of_time_and_supports_precede_queries() -> None:
    domain = tlml.table(
        FRAME.assign(hour=range(len(FRAME))), target="hour", group="site", order="day",
        features=["pressure"],
    )  # fmt: skip
    for task in (task for split in SPLITS for task in domain.tasks(split)):
        assert task.ordered
        assert (task.rows.y.diff(dim=0) > 0).all()
    view = EpisodeView(domain, shots=3, queries=4)
    for split in SPLITS:
        for number in range(8):
            support, query = view.drawn(split)[number]
            hours = torch.cat([support.y, query.y])[:, 0]
            assert torch.allclose(hours.diff(), hours.diff()[0])  # day after day
            assert hours.diff()[0] > 0


def test_classes_are_measured_by_accuracy() -> None:
    domain = table(target="soil", features=["pressure"])
    assert domain.y == Discrete(3)
    assert domain.metric is None
    assert all(data.y.dtype == torch.int64 for data in held(domain).values())
    assert table(target="soil", features=["wind"], order="day").tasks("source")[0].ordered


def test_several_targets_are_several_outputs() -> None:
    domain = table(target=["temp", "rain"])
    assert domain.y.shape == (2,)
    assert domain.metric == ("scaled_rmse", False)
    batch = domain.tasks("target")[0].rows
    assert list(domain.measure(batch, batch.y)) == ["scaled_rmse", "rmse_temp", "rmse_rain"]


def test_rows_that_lack_what_they_need_are_left_out_and_told() -> None:
    frame = FRAME.assign(
        temp=FRAME["temp"].where(FRAME.index % 7 > 0), day=FRAME["day"].where(FRAME.index != 1)
    )
    with pytest.warns(UserWarning) as told:
        domain = table(frame, order="day")
    assert str(told[0].message) == (
        "table: 30 of 200 rows are left out: 29 without 'temp', 1 without 'day'"
    )
    assert sum(len(data) for data in held(domain).values()) == 170
    with pytest.warns(UserWarning, match=r"1 without 'stars'$"):
        domain = table(FRAME.assign(stars=[None, *[1, 2, 3] * 66, 1]), target="stars")
    assert domain.y == Discrete(3)
    with pytest.raises(TlmlError, match=r"^table: no row is left, for column 'temp' is empty"):
        table(FRAME.assign(temp=None))


def test_a_warning_comes_once_however_often_a_suite_makes_the_domain() -> None:
    with pytest.warns(UserWarning) as told:
        for _ in range(3):
            table(FRAME.assign(site=FRAME["site"].where(FRAME.index != 3)))
    assert [str(one.message) for one in told] == [
        "table: 1 of 200 rows are left out: 1 without 'site'"
    ]


def test_raw_units_are_noticed_by_name() -> None:
    with pytest.warns(UserWarning) as told:
        domain = table(scale=None, features=["pressure", "rain"])
    assert str(told[0].message).startswith(
        "table: set scale to 'source', or scale the data to about 1: input 'pressure' has mean "
        "1014 and deviation "
    )
    batch = domain.tasks("target")[0].rows
    assert float(batch.x[:, 0].mean()) > 1000
    assert torch.allclose(domain.measure(batch, batch.y + 2)["mae"], torch.tensor(2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table(scale=None, features=["rain"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "tmp"}, "target: no column is called 'tmp'; did you mean temp?"),
        ({"group": "station"}, "group: no column is called 'station'; choose from "
         "day, pressure, rain, site, soil, temp, wind"),
        ({"scale": "target"}, "scale: 'target' is not one of source"),
        ({"features": ["day"]}, "column 'day': it holds times; name it as order, or make numbers "
         "of it, such as the day of the year"),
        ({"order": "soil", "features": ["wind"]}, "order: column 'soil' must hold numbers or "
         "dates; in row 0 it has 'clay'"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    frame = (
        FRAME.assign(day=pd.to_datetime(FRAME["day"]))
        if options.get("features") == ["day"]
        else FRAME
    )
    with pytest.raises(TlmlError) as caught:
        table(frame, **options)
    assert str(caught.value) == message


def test_wrong_entries_are_refused_by_column_and_row() -> None:
    wrong = FRAME.astype({"pressure": object})
    wrong.loc[17, "pressure"] = "low"
    with pytest.raises(TlmlError, match=r"^column 'pressure': 1 of .* 'low' in row 17; mend "):
        table(wrong)
    with pytest.raises(TlmlError, match=r"^column 'wind': 1 of 200 entries is infinite"):
        table(FRAME.assign(wind=[np.inf, *FRAME["wind"][1:]]))
    with pytest.raises(TlmlError, match=r"^column 'rain': .* infinite, .* the first in row 100; "):
        late = FRAME["rain"].where(FRAME.index < 100, np.inf)
        table(FRAME.assign(rain=late), target="rain")
    with pytest.raises(TlmlError, match=r"^target: 'temp' is 1 in all 120 rows of the source; "):
        table(FRAME.assign(temp=1.0))

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stations import stations

from tlml import TlmlError
from tlml.data.tables.frames import FILE, as_frame, read_table

SMALL = pd.DataFrame({"site": ["A", "B"], "temp": [1.5, 2.0]})


class Flat:
    """As xarray: it has both, and only one of them is flat."""

    def to_dataframe(self) -> pd.DataFrame:
        return SMALL.set_index("site")

    def to_pandas(self) -> pd.Series:
        return SMALL["temp"]


class Columns:
    """As polars."""

    def to_pandas(self) -> pd.DataFrame:
        return SMALL


class Needy:
    __module__ = "polars.dataframe"

    def to_pandas(self) -> pd.DataFrame:
        raise ModuleNotFoundError("pyarrow is required")


class Line:
    def to_dataframe(self) -> pd.Series:
        return SMALL["temp"]


@pytest.mark.parametrize(
    "given",
    [SMALL, Columns(), Flat(), dict(SMALL), SMALL.set_index("site")],
    ids="pandas polars xarray mapping index".split(),
)
def test_tables_of_other_libraries_are_the_same_frame(given: object) -> None:
    pd.testing.assert_frame_equal(as_frame(given), SMALL)


def test_an_index_without_a_name_is_no_column_and_names_are_text() -> None:
    frame = pd.DataFrame([[1, 2]], columns=[0, 1], index=["x"])
    assert list(as_frame(frame)) == ["0", "1"]
    assert list(as_frame(frame).index) == [0]


def test_an_index_that_is_a_column_too_is_that_column() -> None:
    pd.testing.assert_frame_equal(as_frame(SMALL.set_index("site", drop=False)), SMALL)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.csv.gz"])
def test_csv_is_read_whatever_separates_it(tmp_path: Path, name: str, separator: str) -> None:
    SMALL.to_csv(tmp_path / name, index=False, sep=separator)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), SMALL)


def test_a_folder_is_one_table_that_knows_its_files(tmp_path: Path) -> None:
    for name, frame in stations(2).groupby("site"):
        frame.drop(columns="site").to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "README.md").write_text("no table")
    found = read_table(tmp_path)
    assert found[FILE].value_counts().to_dict() == {"S00": 20, "S01": 20}
    assert np.allclose(found["temp"], stations(2)["temp"])


def test_a_column_called_file_is_kept(tmp_path: Path) -> None:
    SMALL.rename(columns={"site": FILE}).to_csv(tmp_path / "a.csv", index=False)
    assert list(read_table(tmp_path)[FILE]) == ["A", "B"]


def test_parquet_is_read_or_what_it_needs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    if importlib.util.find_spec("pyarrow"):
        SMALL.to_parquet(path)
        pd.testing.assert_frame_equal(read_table(path), SMALL)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(TlmlError, match=r"path: .*(pip install pyarrow|can't be read as Parquet)"):
        read_table(path)


def said(given: object) -> str:
    with pytest.raises(TlmlError) as caught:
        as_frame(given)
    return str(caught.value)


def test_what_is_no_table_is_refused() -> None:
    assert said([1, 2]) == (
        "table: a list is not a table; give a frame of pandas, polars or xarray, or the path of a "
        "file of CSV or Parquet"
    )
    assert said(Line()) == "table: a Line is not a table: it has no columns"
    assert said(Needy()) == (
        "table: a Needy of polars can't be made a pandas frame: pyarrow is required"
    )
    assert said(SMALL[:0]) == "table: it has no rows"
    twice = SMALL.set_axis(["temp", "temp"], axis=1)
    assert said(twice) == ("table: several columns are called 'temp'; each needs a name of its own")


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stations.csv").write_text("site,temp,temp\nA,1,2\n")
    assert said(tmp_path / "stations.csv") == (
        f"path: {tmp_path}/stations.csv: several columns are called 'temp'; each needs a name of "
        "its own"
    )
    assert said(str(tmp_path / "station.csv")) == (
        f"path: there is no {tmp_path}/station.csv; did you mean stations.csv?"
    )
    assert said(tmp_path / "nowhere" / "a.csv") == f"path: there is no {tmp_path}/nowhere/a.csv"
    (tmp_path / "empty.csv").write_text("")
    assert said(tmp_path / "empty.csv").startswith(
        f"path: {tmp_path}/empty.csv can't be read as CSV: "
    )
    (tmp_path / "latin.csv").write_bytes("Höhe,t\n1,2\n".encode("latin-1"))
    assert "latin.csv can't be read as CSV: 'utf-8' codec" in said(tmp_path / "latin.csv")
    (tmp_path / "book.xlsx").write_text("")
    assert said(tmp_path / "book.xlsx").startswith(
        f"path: {tmp_path}/book.xlsx must end in one of .csv, .tsv, "
    )


def test_folders_that_are_no_table_are_refused(tmp_path: Path) -> None:
    assert said(tmp_path).startswith(f"path: {tmp_path} holds no files that end in .csv, ")
    (tmp_path / "a.csv").write_text("t,u\n1,2\n")
    (tmp_path / "b.csv").write_text("t,v\n1,2\n")
    assert said(tmp_path) == (
        f"path: a.csv and b.csv of {tmp_path} must have the same columns; u, v stands in one of "
        "them only"
    )

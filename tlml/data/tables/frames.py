"""Tables as pandas frames: of other libraries, and of files of CSV or Parquet."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tlml.errors import TlmlError, did_you_mean, shorten

FILE = "file"  # the column that tells of which file of a folder a row is
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_ENDINGS = (*_TEXT, *_PARQUET)
_SEPARATORS = ",;\t|"


def as_frame(table: Any) -> pd.DataFrame:
    """Return a table as a pandas frame of columns whose names are text.

    Args:
        table: A frame of pandas, polars or xarray, a mapping of columns, or the path of a file or
            a folder. What a pandas frame has as a named index is a column.

    Raises:
        TlmlError: It is none of these, can't be read, has no rows, or two columns of one name.
    """
    frame = read_table(table) if isinstance(table, str | os.PathLike) else _converted(table)
    if any(name is not None for name in frame.index.names):
        frame = _with_index(frame)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    _check_names(list(frame.columns), "table")
    if not len(frame):
        raise TlmlError("table: it has no rows")
    return frame.reset_index(drop=True)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a file of CSV or Parquet, or all of a folder, whose names are in the column `file`.

    Args:
        path: It may begin with ``~``. Separators of CSV are commas, semicolons, tabs or bars, as
            the first line has them.

    Raises:
        TlmlError: It isn't there, or can't be read as a table.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        return _read_folder(found)
    if not found.is_file():
        raise TlmlError(f"path: there is no {found}{did_you_mean(found.name, _beside(found))}")
    return _read_file(found)


def _converted(table: Any) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, Mapping) and not hasattr(table, "to_dataframe"):
        return pd.DataFrame(dict(table))
    for method in ("to_dataframe", "to_pandas"):  # xarray has both, and its first one is flat
        if callable(made := getattr(table, method, None)):
            return _made(table, made)
    raise TlmlError(
        f"table: a {type(table).__name__} is not a table; give a frame of pandas, polars or "
        "xarray, or the path of a file of CSV or Parquet"
    )


def _made(table: Any, convert: Any) -> pd.DataFrame:
    try:
        frame = convert()
    except (ImportError, TypeError, ValueError) as error:
        raise TlmlError(
            f"table: a {type(table).__name__} of {type(table).__module__.partition('.')[0]} can't "
            f"be made a pandas frame: {shorten(str(error), 200)}"
        ) from error
    if not isinstance(frame, pd.DataFrame):
        raise TlmlError(f"table: a {type(table).__name__} is not a table: it has no columns")
    return frame


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    named = [name for name in frame.index.names if name is not None]
    new = [name for name in named if name not in frame.columns]
    old = [name for name in frame.index.names if name not in new]
    kept = frame.reset_index(level=old, drop=True) if old else frame
    return kept.reset_index() if new else kept


def _read_folder(folder: Path) -> pd.DataFrame:
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(_ENDINGS))
    if not files:
        raise TlmlError(f"path: {folder} holds no files that end in {', '.join(_ENDINGS)}")
    frames = [_read_file(path) for path in files]
    for path, frame in zip(files, frames, strict=True):
        if set(frame.columns) != set(frames[0].columns):
            other = sorted(set(frame.columns) ^ set(frames[0].columns))
            raise TlmlError(
                f"path: {files[0].name} and {path.name} of {folder} must have the same columns; "
                f"{', '.join(map(str, other))} stands in one of them only"
            )
    if FILE not in frames[0].columns:
        frames = [
            frame.assign(**{FILE: path.name.partition(".")[0]})
            for path, frame in zip(files, frames, strict=True)
        ]
    return pd.concat(frames, ignore_index=True)


def _read_file(path: Path) -> pd.DataFrame:
    if path.name.lower().endswith(_PARQUET):
        return _read_parquet(path)
    if not path.name.lower().endswith(_TEXT):
        raise TlmlError(f"path: {path} must end in one of {', '.join(_ENDINGS)}")
    try:
        separator = max(_SEPARATORS, key=_first_line(path).count)
        # pandas gives the second of two equal names another one.
        header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str).iloc[0]
        _check_names([str(name) for name in header.dropna()], f"path: {path}")
        return pd.read_csv(path, sep=separator, skipinitialspace=True, low_memory=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, OSError, UnicodeDecodeError) as error:
        reason = shorten(" ".join(str(error).split()), 200)
        raise TlmlError(f"path: {path} can't be read as CSV: {reason}") from error


def _first_line(path: Path) -> str:
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        return file.readline().decode("utf-8")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise TlmlError(
            f"path: {path}: Parquet is read by pyarrow, which is not installed; pip install "
            "pyarrow, or give a file of CSV"
        ) from error
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        reason = shorten(" ".join(str(error).split()), 200)
        raise TlmlError(f"path: {path} can't be read as Parquet: {reason}") from error


def _check_names(names: list[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TlmlError(
            f"{where}: several columns are called '{twice[0]}'; each needs a name of its own"
        )


def _beside(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []

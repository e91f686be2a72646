"""The values of single columns: numbers, or text."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tlml.errors import TlmlError, shorten

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LARGEST = float(np.finfo(np.float32).max)  # what inputs and targets can hold
_MOSTLY = 0.5  # of the entries: then a column holds numbers, and the others are mistakes


def holds_numbers(column: pd.Series[Any]) -> bool:
    """Say whether a column holds numbers, some of which may be mistyped, and not text.

    Raises:
        TlmlError: It holds dates, or what is neither number nor text.
    """
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise TlmlError(
            f"column '{column.name}': it holds times; name it as order, or make numbers of it, "
            "such as the day of the year"
        )
    if types.is_complex_dtype(column):
        raise TlmlError(f"column '{column.name}': its numbers are complex; make two of it")
    if types.is_numeric_dtype(column):
        return True
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    known = column.dropna()
    return len(known) > 0 and bool(_numbers(known).notna().mean() >= _MOSTLY)


def numbers(column: pd.Series[Any]) -> Floats:
    """Return a column of numbers; what is missing is NaN.

    Raises:
        TlmlError: An entry is not a number, or infinite; which, and in which row.
    """
    found = _numbers(column)
    wrong = column[found.isna() & column.notna()].sort_index()
    if len(wrong):
        raise TlmlError(
            f"column '{column.name}': {_count(len(wrong), len(column))} not a number, such as "
            f"'{shorten(str(wrong.iloc[0]))}' in row {wrong.index[0]}; mend them, or leave them "
            "empty where they are missing"
        )
    values: Floats = found.to_numpy(np.float64, na_value=np.nan)
    beyond = np.abs(values) > _LARGEST
    if beyond.any():
        row = column.index[beyond].min()
        raise TlmlError(
            f"column '{column.name}': {_count(int(beyond.sum()), len(column))} infinite, or beyond "
            f"{_LARGEST:.1g}, the first in row {row}; mend them, or leave them "
            "empty where they are missing"
        )
    return values


def texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as text, whole numbers without a point; what is missing stays so."""
    known = column.dropna()
    if types.is_float_dtype(known) and bool((known % 1 == 0).all()):
        known = known.astype(np.int64)
    return known.astype(str).astype(object).reindex(column.index)


def in_order(names: Iterable[str]) -> list[str]:
    """Return different texts in order: those that are numbers first, 10 after 9."""

    def key(name: str) -> tuple[float, str]:
        try:
            return float(name), name
        except ValueError:
            return np.inf, name

    return sorted(set(names), key=key)


def as_text(value: object) -> str:
    """Return a value as `texts` writes it."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)  # type: ignore[call-overload]


def times(column: pd.Series[Any]) -> Floats:
    """Return numbers that rise with time, of a column of numbers or dates; NaN where missing.

    Raises:
        TlmlError: An entry is neither.
    """
    if types.is_datetime64_any_dtype(column):
        return _seconds(column)
    if types.is_numeric_dtype(column) or _numbers(column.dropna()).notna().all():
        return numbers(column)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that dates are read one by one
        found = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    wrong = column[found.isna() & column.notna()]
    if len(wrong):
        raise TlmlError(
            f"order: column '{column.name}' must hold numbers or dates; in row {wrong.index[0]} it "
            f"has '{shorten(str(wrong.iloc[0]))}'"
        )
    return _seconds(found)


def ranks(column: pd.Series[Any]) -> NDArray[np.int64]:
    """Return how the entries of a column follow each other, by what they are and nothing else."""
    plain = column if types.is_numeric_dtype(column) else texts(column)
    return pd.factorize(plain, sort=True)[0].astype(np.int64)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    found = pd.to_numeric(column, errors="coerce")
    return found.astype(np.float64) if types.is_bool_dtype(found) else found


def _seconds(column: pd.Series[Any]) -> Floats:
    values = column.dt.tz_localize(None) if column.dt.tz is not None else column
    return np.asarray((values - pd.Timestamp(0)).dt.total_seconds(), np.float64)


def _count(some: int, total: int) -> str:
    return f"{some} of {total} entries {'is' if some == 1 else 'are'}"

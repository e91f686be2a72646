"""Tables as domains: each group of rows is a task, and errors are in the table's units."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from gymnasium.spaces import Box, Discrete
from pandas.api import types
from torch import Tensor

from tlml.data.domains import Domain, Metric
from tlml.data.fingerprints import fingerprint_files
from tlml.data.raw_units import tell_raw_units
from tlml.data.tables.division import Choice, Division, check_choices, divide
from tlml.data.tables.encoding import Encoding, fit_encoding
from tlml.data.tables.frames import as_frame
from tlml.data.tables.roles import Roles, find_roles
from tlml.data.tables.targets import Classes, Values, fit_targets
from tlml.data.tables.values import ranks, times
from tlml.data.tasks import SPLITS, Batch, Examples, Part, Split
from tlml.errors import TlmlError, check_choice


@dataclass(frozen=True, slots=True)
class TableTask:
    """The rows of one group of a table, of which episodes draw support and query.

    Args:
        name: Of the group.
        rows: Its rows.
        ordered: Whether they follow each other in time, so that supports precede their queries.
    """

    name: str
    rows: Examples
    ordered: bool = False

    def split(self, part: Part) -> Examples:
        """Return all rows ``x [n, d]``, ``y [n]`` (classes) or ``[n, d]`` as ``train``."""
        check_choice("part", part, ("train", "val", "test"))
        return self.rows if part == "train" else Examples(self.rows.x[:0], self.rows.y[:0])


class Table(Domain[TableTask]):
    """A table in memory, whose rows are tasks by the values of one of its columns.

    Text becomes one input for each category, missing numbers the median beside an input that says
    so, and numbers have mean 0 and deviation 1: categories, medians and scales are those of the
    source's rows. Rows without a target, a group or a time are left out, and told of. Classes are
    measured by accuracy, values by ``rmse`` and ``mae`` in the units of the column, several of them
    by ``scaled_rmse`` in deviations of the source.

    Args:
        frame: A frame of pandas, polars or xarray, or a mapping of columns.
        target: As of `TableFile`, like all others.

    Raises:
        TlmlError: A column, a group or an entry is not what it must be; which, and what would do.
    """

    def __init__(
        self,
        frame: Any,
        *,
        target: str | Sequence[str],
        features: str | Sequence[str] | None = None,
        group: str | None = None,
        source: str | Sequence[str | int | float] | None = None,
        validation: str | Sequence[str | int | float] | None = None,
        target_groups: str | Sequence[str | int | float] | None = None,
        order: str | None = None,
        scale: Literal["source"] | None = "source",
    ) -> None:
        if scale is not None:
            check_choice("scale", scale, ("source",))
        read = as_frame(frame)
        choices: dict[Split, Choice] = {
            "source": source, "validation": validation, "target": target_groups,
        }  # fmt: skip
        beside = check_choices(choices, list(read.columns))
        self.roles = find_roles(list(read.columns), target, features, group, order, beside)
        whole = _in_order(_complete(read, self.roles), self.roles)
        division = divide(whole, group, choices, ordered=order is not None)
        listed = isinstance(target, Iterable) and not isinstance(target, str)
        self._fit(whole, division, listed=listed, scaled=scale is not None)

    def tasks(self, split: Split) -> Sequence[TableTask]:
        """Return the tasks of a split, in the order of their names."""
        check_choice("split", split, SPLITS)
        return self._tasks[split]

    def measure(self, batch: Batch, scores: Tensor) -> Mapping[str, Tensor]:
        """Return the errors of predicted values, in the units of their columns."""
        assert isinstance(self.targets, Values)
        return self.targets.measures(scores, batch.y)

    def fingerprint(self) -> str | None:
        """Return the state of what the table gave to its tasks."""
        digest = hashlib.sha256(repr((self.inputs, self.targets)).encode())
        for split, tasks in self._tasks.items():
            for task in tasks:
                digest.update(f"{split}\0{task.name}\0".encode())
                digest.update(task.rows.x.numpy().tobytes() + task.rows.y.numpy().tobytes())
        return "content " + digest.hexdigest()[:16]

    def _fit(self, frame: pd.DataFrame, division: Division, *, listed: bool, scaled: bool) -> None:
        seen = np.zeros(len(frame), bool)
        seen[np.concatenate(list(division["source"].values()))] = True
        roles = self.roles
        self.targets: Classes | Values = fit_targets(
            frame, roles.targets, seen, listed=listed, scaled=scaled
        )
        self.inputs: Encoding = fit_encoding(frame, roles.features, seen, scaled=scaled)
        x = torch.from_numpy(self.inputs.encode(frame)).float()
        y = self.targets.encode(frame)
        self._tasks = {
            split: [
                TableTask(name, Examples(x[rows], y[rows]), roles.order is not None)
                for name, rows in own.items()
            ]
            for split, own in division.items()
        }
        self.x = Box(-np.inf, np.inf, tuple(x.shape[1:]), np.float32)
        self.input_names = self.inputs.names()
        self._take_targets()
        self._notice_raw_units(Batch(x[seen], y[seen]))

    def _take_targets(self) -> None:
        if isinstance(self.targets, Classes):
            self.y = Discrete(len(self.targets.labels))
            return
        self.y = Box(-np.inf, np.inf, (len(self.targets.names),), np.float32)
        self.target_names = self.targets.names
        several = len(self.targets.names) > 1
        self.metric = Metric("scaled_rmse" if several else "rmse", higher_is_better=False)

    def _notice_raw_units(self, source: Batch) -> None:
        raw = tell_raw_units(source, self)
        if raw:
            tell_once(f"table: set scale to 'source',{raw}")


class TableFile(Table):
    """A table in a file of CSV or Parquet, or in a folder of them; see `Table`.

    Args:
        path: A file that ends in ``.csv``, ``.tsv``, ``.txt`` (also ``.gz``), ``.parquet`` or
            ``.pq``, or a folder of them with the same columns: the column ``file`` then holds their
            names.
        target: The column to predict: text, booleans and up to 10 different whole numbers are
            classes, other numbers values. A list of columns is always values.
        features: The columns to predict from, names or patterns such as ``temp_*``; all that are
            nothing else where None.
        group: The column whose values are tasks; without one, the rows of each split are a task.
        source: The groups to learn from: a list, a pattern, or a column that says so: yes and no,
            or ``source``, ``validation`` and ``target``. Groups that none of the three names are
            shared among those that are None, 60 : 20 : 20; always the same ones.
        validation: The groups to choose by, likewise; a fifth of the rows of each source group
            where none are left.
        target_groups: The groups to carry it to, likewise.
        order: A column of dates or numbers: supports then precede their queries in time.
        scale: ``source`` scales numbers and values by the source; None leaves them as they are.

    Raises:
        TlmlError: A column, a group or an entry is not what it must be; which, and what would do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        target: str | Sequence[str],
        features: str | Sequence[str] | None = None,
        group: str | None = None,
        source: str | Sequence[str | int | float] | None = None,
        validation: str | Sequence[str | int | float] | None = None,
        target_groups: str | Sequence[str | int | float] | None = None,
        order: str | None = None,
        scale: Literal["source"] | None = "source",
    ) -> None:
        self.path = path
        super().__init__(
            path, target=target, features=features, group=group, source=source,
            validation=validation, target_groups=target_groups, order=order, scale=scale,
        )  # fmt: skip

    def fingerprint(self) -> str | None:
        """Return the state of the files."""
        return fingerprint_files(self.path)


def table(
    frame: Any,
    *,
    target: str | Sequence[str],
    features: str | Sequence[str] | None = None,
    group: str | None = None,
    source: str | Sequence[str | int | float] | None = None,
    validation: str | Sequence[str | int | float] | None = None,
    target_groups: str | Sequence[str | int | float] | None = None,
    order: str | None = None,
    scale: Literal["source"] | None = "source",
) -> Domain[Any]:
    """Make a domain of a table: each group of rows is a task.

    Args:
        frame: A frame of pandas, polars or xarray, a mapping of columns, or the path of a file of
            CSV or Parquet or of a folder of them.
        target: The column to predict, or several.
        features: The columns to predict from, names or patterns; all others where None.
        group: The column whose values are tasks.
        source: The groups to learn from: a list, a pattern, or a column that says so.
        validation: The groups to choose by.
        target_groups: The groups to carry it to.
        order: A column of dates or numbers: supports then precede their queries.
        scale: ``source`` scales by the source's rows; None leaves numbers as they are.

    Raises:
        TlmlError: A column, a group or an entry is not what it must be; which, and what would do.
    """
    kind = TableFile if isinstance(frame, str | os.PathLike) else Table
    return kind(
        frame, target=target, features=features, group=group, source=source,
        validation=validation, target_groups=target_groups, order=order, scale=scale,
    )  # fmt: skip


def _complete(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Leave out the rows of which the target, the group or the time is missing, and say so."""
    needed = [*roles.targets, *filter(None, (roles.group, roles.order))]
    missing = frame[needed].isna()
    left = ~missing.any(axis=1)
    if not left.any():
        name = str(missing.sum().idxmax())
        raise TlmlError(f"table: no row is left, for column '{name}' is empty in too many of them")
    told = ", ".join(
        f"{number} without '{name}'" for name, number in missing.sum().items() if number
    )
    if not told:
        return frame
    tell_once(f"table: {int((~left).sum())} of {len(frame)} rows are left out: {told}")
    # What is missing made floats of whole numbers.
    whole = {name: np.int64 for name in roles.targets
             if missing[name].any() and _is_whole(frame[name][left])}  # fmt: skip
    return frame[left].astype(whole)


@lru_cache(maxsize=64)
def tell_once(text: str) -> None:
    """Warn once in a process: suites make a domain anew for each cell."""
    warnings.warn(text, stacklevel=2)


def _is_whole(column: pd.Series[Any]) -> bool:
    return types.is_float_dtype(column) and bool((column % 1 == 0).all())


def _in_order(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Sort rows by time, else by what they hold: no result depends on how they were sorted."""
    keys = [ranks(frame[name]) for name in reversed(roles.used())]
    if roles.order is not None:
        keys.append(times(frame[roles.order]))  # type: ignore[arg-type]
    return frame.iloc[np.lexsort(keys)]

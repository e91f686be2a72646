"""Which rows of a table are of which task, and which tasks of which split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlml.data.sampling import keyed_rng
from tlml.data.tables.values import as_text, in_order, texts
from tlml.data.tasks import SPLITS, Split
from tlml.errors import TlmlError, did_you_mean, shorten

Choice = str | Sequence[str | int | float] | None
Rows = NDArray[np.intp]
Division = dict[Split, dict[str, Rows]]  # the rows of each task by its name, in their order

OPTIONS: dict[Split, str] = {
    "source": "source", "validation": "validation", "target": "target_groups",
}  # fmt: skip
LEAST = 2  # rows of a task: one to learn from and one to be judged by
HELD_OUT = 0.2  # of the rows of each source task, where no groups are left for validation
# What nobody chose is divided by these shares, and by chance that depends on nothing else.
_SHARES: dict[Split, float] = {"source": 0.6, "validation": 0.2, "target": 0.2}
_FIRST: tuple[Split, ...] = ("source", "target", "validation")  # who gets one where few are left
_SEED, _GROUPS, _ROWS = 0, 0, 1
# How a column says what a row is for.
_WORDS: dict[Split, frozenset[str]] = {
    "source": frozenset({"source", "train"}),
    "validation": frozenset({"validation", "val"}),
    "target": frozenset({"target", "test"}),
}
_YES, _NO = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def divide(
    frame: pd.DataFrame, group: str | None, choices: Mapping[Split, Choice], *, ordered: bool
) -> Division:
    """Divide the rows of a table into tasks, and these into splits.

    Args:
        frame: The table, its rows in their order.
        group: The column whose values are tasks; None: one task for each split.
        choices: What is in each split: a column that says so, a pattern of groups or a list of
            them. Groups (or rows, where there are none) that no choice names are shared out by
            chance among the splits without one: 60% source, 20% validation, 20% target.
        ordered: Whether rows follow each other in time: rows that are divided are then cut in time.

    Raises:
        TlmlError: A choice fits nothing, two overlap, or a split or a task has too little.
    """
    units = None if group is None else texts(frame[group])
    chosen = {s: _chosen(frame, units, s, choice) for s, choice in choices.items()
              if choice is not None}  # fmt: skip
    _check_apart(chosen)
    left = _left(len(frame), units, chosen)
    whole = chosen | _shared(left, [s for s in SPLITS if s not in chosen], units is None, ordered)
    found = {s: _tasks(s, whole.get(s, []), units) for s in SPLITS}
    _check_sizes(found, group)
    if not found["validation"]:
        _hold_out(found, ordered)
    return found


def check_choices(choices: Mapping[Split, Choice], columns: Sequence[str]) -> list[str]:
    """Return the columns that choices name."""
    return [one for one in choices.values() if isinstance(one, str) and one in columns]


def _chosen(
    frame: pd.DataFrame, units: pd.Series[Any] | None, split: Split, choice: Any
) -> list[Any]:
    """Return the groups of a split in the order of their names, or its rows."""
    option = OPTIONS[split]
    if isinstance(choice, str) and choice in frame.columns:
        return _by_column(frame[choice], units, split)
    if units is None:
        raise TlmlError(
            f"{option}: '{shorten(str(choice))}' is not a column"
            f"{did_you_mean(str(choice), frame.columns)}; to choose by groups, name the column "
            "that holds them as group"
        )
    known = in_order(units)
    several = not isinstance(choice, str) and isinstance(choice, Iterable)
    patterns = [as_text(one) for one in (choice if several else [choice])]
    found = set[str]()
    for pattern in patterns:
        matching = {name for name in known if name == pattern or fnmatchcase(name, pattern)}
        if not matching:
            raise TlmlError(
                f"{option}: no group and no column is called '{shorten(pattern)}'"
                f"{did_you_mean(pattern, known)}"
            )
        found |= matching
    return in_order(found)


def _by_column(column: pd.Series[Any], units: pd.Series[Any] | None, split: Split) -> list[Any]:
    said = texts(column).fillna("").str.lower()
    words = _YES if set(said) <= _YES | _NO | {""} else _WORDS[split]
    inside = said.isin(words)
    if not inside.any():
        raise TlmlError(
            f"{OPTIONS[split]}: column '{column.name}' says {' or '.join(sorted(words))} in no "
            f"row{did_you_mean('', [shorten(one) for one in set(said)])}"
        )
    if units is None:
        return np.flatnonzero(inside).tolist()
    shares = inside.groupby(units).mean()
    mixed = shares[(shares > 0) & (shares < 1)]
    if len(mixed):
        raise TlmlError(
            f"{OPTIONS[split]}: column '{column.name}' differs within group '{mixed.index[0]}'; a "
            "group is in one split"
        )
    return in_order(shares[shares == 1].index)


def _check_apart(chosen: Mapping[Split, Sequence[Any]]) -> None:
    for one, other in combinations(SPLITS, 2):
        both = sorted(set(chosen.get(one, ())) & set(chosen.get(other, ())))
        if both:
            kind = "group" if isinstance(both[0], str) else "row"
            raise TlmlError(
                f"{OPTIONS[one]} and {OPTIONS[other]} share {kind} '{both[0]}'; "
                f"a {kind} is in one split"
            )


def _left(
    rows: int, units: pd.Series[Any] | None, chosen: Mapping[Split, Sequence[Any]]
) -> list[Any]:
    taken = {one for own in chosen.values() for one in own}
    every: Sequence[Any] = range(rows) if units is None else in_order(units)
    return [one for one in every if one not in taken]


def _shared(
    left: Sequence[Any], free: Sequence[Split], are_rows: bool, ordered: bool
) -> dict[Split, list[Any]]:
    """Share out what nobody chose among the splits that nobody chose for."""
    if not free:
        return {}
    if not (are_rows and ordered):
        rng = keyed_rng(_SEED, "source", _ROWS if are_rows else _GROUPS)
        left = [left[place] for place in rng.permutation(len(left))]
    counts = _counts(len(left), free)
    ends = np.cumsum([0, *(counts[split] for split in free)])
    arrange: Callable[[Sequence[Any]], list[Any]] = sorted if are_rows else in_order
    return {split: arrange(left[a:b]) for split, a, b in zip(free, ends, ends[1:], strict=False)}


def _counts(number: int, free: Sequence[Split]) -> dict[Split, int]:
    """Return how many go to each split: one at least where there are so many."""
    first = [split for split in _FIRST if split in free][:number]
    shares = np.cumsum([_SHARES[split] for split in free])
    ends = np.rint(shares / shares[-1] * number).astype(int)
    counts = dict(zip(free, np.diff(ends, prepend=0).tolist(), strict=True))
    for split in (split for split in first if not counts[split]):
        giver = max(free, key=lambda one: counts[one] - (one in first))
        counts[giver] -= 1
        counts[split] += 1
    return counts


def _tasks(split: Split, members: Sequence[Any], units: pd.Series[Any] | None) -> dict[str, Rows]:
    if units is None:
        return {f"{split} rows": np.array(members, np.intp)} if members else {}
    rows = units.groupby(units).indices
    return {name: np.sort(rows[name]) for name in members}


def _check_sizes(found: Division, group: str | None) -> None:
    for split in _FIRST[:2]:
        if not found[split]:
            what = "row" if group is None else "group"
            raise TlmlError(
                f"{OPTIONS[split]}: no {what} is left for the {split}; "
                f"choose fewer {what}s elsewhere, or give a table with more of them"
            )
    for split in SPLITS:
        for name, rows in found[split].items():
            if len(rows) < LEAST:
                where = f"group: '{name}'" if group is not None else f"table: '{name}'"
                raise TlmlError(
                    f"{where} has {len(rows)} row of the {split}, and {LEAST} are needed at least, "
                    "one to learn from and one to be judged by; leave it out, or join groups"
                )


def _hold_out(found: Division, ordered: bool) -> None:
    """Let a part of each source task validate: rows by chance, or the last ones in time."""
    for name, rows in list(found["source"].items()):
        held = max(1, round(len(rows) * HELD_OUT))
        rng = keyed_rng(_SEED, "validation", crc32(name.encode()))
        order = rows if ordered else rows[rng.permutation(len(rows))]
        found["source"][name] = np.sort(order[:-held])
        found["validation"][f"{name} held out"] = np.sort(order[-held:])

"""Which columns of a table are what: targets, inputs, groups, time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tlml.errors import TlmlError, did_you_mean


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of a table by what they are.

    Args:
        targets: What is predicted.
        features: What it is predicted from, in the table's order.
        group: Whose values are tasks; None: all rows are of one.
        order: By which rows follow each other; None: they don't.
    """

    targets: tuple[str, ...]
    features: tuple[str, ...]
    group: str | None
    order: str | None

    def used(self) -> list[str]:
        """Return the columns that each row must be looked at by."""
        return [*self.targets, *self.features, *filter(None, (self.group, self.order))]


def find_roles(
    columns: Sequence[str],
    target: str | Sequence[str],
    features: str | Sequence[str] | None,
    group: str | None,
    order: str | None,
    beside: Sequence[str] = (),
) -> Roles:
    """Return what the columns of a table are.

    Args:
        columns: Of the table.
        target: One or several of them.
        features: Their names or patterns; all that are nothing else where None.
        group: As of `Roles`.
        order: As of `Roles`.
        beside: What else is no input unless it is named, such as what divides the table.

    Raises:
        TlmlError: A column isn't there, is named as two things, or no input is left.
    """
    targets = as_names(target)
    if not targets:
        raise TlmlError(f"target: names no column{did_you_mean('', columns)}")
    for name in targets:
        _check_column("target", name, columns)
    for option, column in (("group", group), ("order", order)):
        if column is not None:
            _check_column(option, column, columns)
            _check_other(option, column, targets)
    taken = [*targets, *filter(None, (group, order))]
    found = _features(columns, features, taken, beside)
    if not found:
        raise TlmlError("features: no column is left to predict from; name some")
    return Roles(tuple(dict.fromkeys(targets)), tuple(found), group, order)


def _features(
    columns: Sequence[str],
    features: str | Sequence[str] | None,
    taken: Sequence[str],
    beside: Sequence[str],
) -> list[str]:
    if features is None:
        return [name for name in columns if name not in (*taken, *beside)]
    found = set()
    for pattern in as_names(features):
        if pattern in columns:
            _check_other("features", pattern, taken)
            found.add(pattern)
            continue
        matching = {name for name in columns if fnmatchcase(name, pattern)}
        if not matching:
            _check_column("features", pattern, columns)
        found |= matching - set(taken)
    return [name for name in columns if name in found]


def as_names(given: object) -> list[str]:
    """Return one or several names as text, as the columns of a table have them."""
    several = not isinstance(given, str) and isinstance(given, Iterable)
    return [str(one) for one in given] if several else [str(given)]  # type: ignore[attr-defined]


def _check_column(option: str, name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise TlmlError(f"{option}: no column is called '{name}'{did_you_mean(name, columns)}")


def _check_other(option: str, name: str, taken: Sequence[str]) -> None:
    if name in taken:
        raise TlmlError(f"{option}: '{name}' is named as another thing, too; a column is one")

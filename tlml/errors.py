"""Errors raised on purpose: one line that names the thing, the reason and the alternatives."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DivergedError",
    "OptionError",
    "TlmlError",
    "check_choice",
    "check_not_negative",
    "check_positive",
    "check_share",
    "did_you_mean",
    "shorten",
    "unknown",
]


class TlmlError(ValueError):
    """Something the user can mend; the command line prints it in one line and exits with 2."""


class OptionError(TlmlError):
    """The value of an option is wrong, whatever else there is: suites stop there."""


class DivergedError(TlmlError):
    """A computation left the finite numbers or found no end; other options may do better.

    Where options are chosen, a choice that raises it is one choice less.
    """


MOST_SHOWN = 60  # characters of a value in a message
MOST_NAMES = 20  # in a message
_SOME = 5


def shorten(value: object, most: int = MOST_SHOWN) -> str:
    """Return the text of a value for a message, cut where it is long.

    >>> shorten("a" * 100, most=10)
    'aaaaaaaaaa...'
    """
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the nearest known name, else what there is, or some."""
    names = sorted(set(known))
    nearest = difflib.get_close_matches(name[:MOST_SHOWN], names, n=1, cutoff=0.6)
    if nearest:
        return f"; did you mean {nearest[0]}?"
    if len(names) > MOST_NAMES:
        return f"; there are {len(names)}, such as {', '.join(names[:_SOME])}"
    return f"; choose from {', '.join(names)}" if names else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> TlmlError:
    """Build the error for a name that nothing has."""
    return TlmlError(f"no {kind} is called '{shorten(name)}'{did_you_mean(name, known)}")


def check_positive(**values: float | None) -> None:
    """Raise for each named value that is given and not above zero (NaN is not)."""
    for name, value in values.items():
        if value is not None and not value > 0:
            raise OptionError(f"{name}: must be greater than 0, is {value}")


def check_not_negative(**values: float | None) -> None:
    """Raise for each named value that is given and below zero (or NaN)."""
    for name, value in values.items():
        if value is not None and not value >= 0:
            raise OptionError(f"{name}: must be at least 0, is {value}")


def check_share(**values: float) -> None:
    """Raise for each named value that is not above 0 and below 1."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise OptionError(f"{name}: must be above 0 and below 1, is {value}")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise where `value` is not one of `choices`."""
    known = list(choices)
    if value not in known:
        raise OptionError(f"{name}: '{shorten(str(value))}' is not one of {', '.join(known)}")

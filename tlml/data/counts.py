"""How many classes or examples an episode has: a number, a range, a share, or all that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tlml.errors import OptionError, check_positive

if TYPE_CHECKING:
    import numpy as np

Counts = int | tuple[int, int]
Amounts = Counts | float | Literal["all"]  # a float is a share of the examples that there are
ALL: Literal["all"] = "all"


def as_counts(name: str, value: object) -> Counts:
    """Return a number, or a pair ``[low, high]`` as a tuple.

    Raises:
        OptionError: It is neither, is not above zero, or low is above high.
    """
    if _whole(value):
        check_positive(**{name: value})  # type: ignore[arg-type]
        return int(value)  # type: ignore[call-overload, no-any-return]
    if not (isinstance(value, list | tuple) and len(value) == 2 and all(map(_whole, value))):
        raise OptionError(
            f"{name}: must be a whole number or a pair [low, high] of them, is {value}"
        )
    low, high = map(int, value)
    check_positive(**{name: low})
    if low > high:
        raise OptionError(f"{name}: [{low}, {high}] has its lower end above its upper end")
    return low, high


def as_amounts(name: str, value: object) -> Amounts:
    """Return a number, a pair, a share above 0 and below 1, or ``all``.

    Raises:
        OptionError: It is none of these.
    """
    if isinstance(value, str) and value == ALL:
        return ALL
    if isinstance(value, float) and 0 < value < 1:
        return float(value)
    if not _whole(value) and not isinstance(value, list | tuple):
        raise OptionError(
            f"{name}: must be a whole number, a pair [low, high] of them, a share such as 0.1, or "
            f"all, is {value}"
        )
    return as_counts(name, value)


def drawn(value: Counts, rng: np.random.Generator) -> int:
    """Return a number as it is, which uses no randomness, or draw one from low to high."""
    return value if isinstance(value, int) else int(rng.integers(value[0], value[1] + 1))


def sides(
    shots: Amounts, queries: Amounts, train: int, test: int | None, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return how many examples support and query take of those that there are.

    Args:
        shots: Of the support; ``all`` is what the query leaves, or the whole train part.
        queries: Of the query; ``all`` is what the support leaves, or the whole test part.
        train: Examples to train on.
        test: Examples of a test part, which the query is from; None: there is no such part.
        rng: Draws from ranges.

    Returns:
        Both numbers, which may be more than there are; None where both are to be all of one part.
    """
    near, far = _amount(shots, train, rng), _amount(queries, train if test is None else test, rng)
    if test is not None:
        return max(train, 1) if near is None else near, max(test, 1) if far is None else far
    if near is None and far is None:
        return None
    near = max(train - (far or 0), 1) if near is None else near
    return near, max(train - near, 1) if far is None else far


def most_of(value: Amounts, total: int) -> int:
    """Return the most examples that are meant of those that there are."""
    if isinstance(value, str):
        return total
    return max(round(value * total), 1) if isinstance(value, float) else highest(value)


def counted(value: Amounts) -> bool:
    """Return whether a number or a range of numbers is asked for, not a share nor all."""
    return isinstance(value, (int, tuple))


def lowest(value: Amounts) -> int:
    """Return the least that is drawn: of a share and of all 1."""
    if isinstance(value, tuple):
        return value[0]
    return value if isinstance(value, int) else 1


def highest(value: Counts) -> int:
    """Return the most that `drawn` gives."""
    return value if isinstance(value, int) else value[1]


def largest(value: Amounts) -> Amounts:
    """Return what asks for the most examples that a range may ask for; a share stays as it is."""
    return value[1] if isinstance(value, tuple) else value


def _amount(value: Amounts, total: int, rng: np.random.Generator) -> int | None:
    """Return how many of `total` examples are meant; None for all that are left."""
    if isinstance(value, str):
        return None
    if isinstance(value, float):
        return max(round(value * total), 1)
    return drawn(value, rng)


def _whole(value: object) -> bool:
    # numpy's integers have it, too; a bool is not a count.
    return hasattr(value, "__index__") and not isinstance(value, bool)

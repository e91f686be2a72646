"""How many classes or examples an episode has: a number, or a range to draw from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.errors import TlmlError, check_positive

if TYPE_CHECKING:
    import numpy as np

Counts = int | tuple[int, int]


def as_counts(name: str, value: object) -> Counts:
    """Return a number, or a pair ``[low, high]`` as a tuple.

    Raises:
        TlmlError: It is neither, is not above zero, or low is above high.
    """
    if _whole(value):
        check_positive(**{name: value})  # type: ignore[arg-type]
        return int(value)  # type: ignore[call-overload, no-any-return]
    if not (isinstance(value, list | tuple) and len(value) == 2 and all(map(_whole, value))):
        raise TlmlError(f"{name}: must be a whole number or a pair [low, high] of them, is {value}")
    low, high = map(int, value)
    check_positive(**{name: low})
    if low > high:
        raise TlmlError(f"{name}: [{low}, {high}] has its lower end above its upper end")
    return low, high


def drawn(value: Counts, rng: np.random.Generator) -> int:
    """Return a number as it is, which uses no randomness, or draw one from low to high."""
    return value if isinstance(value, int) else int(rng.integers(value[0], value[1] + 1))


def lowest(value: Counts) -> int:
    """Return the least that `drawn` gives."""
    return value if isinstance(value, int) else value[0]


def highest(value: Counts) -> int:
    """Return the most that `drawn` gives."""
    return value if isinstance(value, int) else value[1]


def _whole(value: object) -> bool:
    # numpy's integers have it, too; a bool is not a count.
    return hasattr(value, "__index__") and not isinstance(value, bool)

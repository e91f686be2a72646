"""How a check fails: in one line that says what is wrong and what to mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tlml.errors import TlmlError
from tlml.registry.plugins import one_line
from tlml.testing.remedies import remedy


class CheckFailed(TlmlError, AssertionError):
    """What a plugin declares is not true, or it does not behave as the core needs."""


def require(condition: bool, text: str) -> None:
    """Raise `CheckFailed` with `text` where `condition` does not hold."""
    if not condition:
        raise CheckFailed(text)


@contextmanager
def doing(what: str, mend: str = "") -> Iterator[None]:
    """Turn whatever a stranger's code raises in here into a `CheckFailed` that says `what`.

    Args:
        what: The thing and what was being done with it, such as ``"domain tides: pickling it"``.
        mend: What to do about it.
    """
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:  # whatever a stranger's code raises
        found = mend or remedy(error)
        hint = f"; {found}" if found else ""
        raise CheckFailed(f"{what}: {one_line(error)}{hint}") from error

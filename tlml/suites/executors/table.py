"""The executors that there are: our own, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

from tlml.errors import TlmlError, unknown
from tlml.suites.executors.base import Executor

GROUP = "tlml.executors"
LOCAL = "local"

MakeExecutor = Callable[[int], Executor]


def executor_names() -> list[str]:
    """Return the names of all executors, importing none of them."""
    return [LOCAL, *sorted({point.name for point in _points()} - {LOCAL})]


def find_executor(name: str) -> MakeExecutor:
    """Return what makes an executor with some slots.

    Raises:
        TlmlError: None has the name, or it cannot be imported.
    """
    if name == LOCAL:
        from tlml.suites.executors.local import local

        return local
    for point in _points():
        if point.name == name:
            try:
                made: MakeExecutor = point.load()
            except Exception as error:  # whatever a stranger's module raises at its import
                raise TlmlError(f"executor {name}: {point.value}: {error}") from error
            return made
    raise unknown("executor", name, executor_names())


def _points() -> metadata.EntryPoints:
    return metadata.entry_points(group=GROUP)

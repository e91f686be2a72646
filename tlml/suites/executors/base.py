"""Executors: where the work of a suite is done. They know nothing of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

# done:    published, by this attempt or by another before
# failed:  an exception, with its reason
# busy:    another is at work on it
# lost:    another has taken it over
# damaged: what it starts from cannot be used, and was set aside
# gone:    whoever did the work ended without a word, with how
Ending = Literal["done", "failed", "busy", "lost", "damaged", "gone"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a piece of work ended.

    Args:
        ending: Which way.
        reason: Why, in one line, where it failed or is gone.
        ids: The cells that were set aside, where they were damaged.
        found: What a check has found, by name.
    """

    ending: Ending
    reason: str = ""
    ids: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A piece of work.

    Args:
        id: What it is for.
        work: Does it and says how it ended; it can be pickled, and run again after any end.
    """

    id: str
    work: Callable[[], Outcome]


class Executor(Protocol):
    """Does jobs somewhere. Results are right whatever it does: lose jobs, or do them twice.

    A plugin names a function of ``slots`` that makes one as an entry point of the group
    ``tlml.executors``.

    Attributes:
        slots: How many jobs it does at a time.
    """

    slots: int

    def submit(self, job: Job) -> None:
        """Begin a job, or queue it; never wait for it."""

    def wait(self, timeout: float) -> Iterable[tuple[Job, Outcome]]:
        """Return the jobs that have ended, at the latest after `timeout` seconds.

        A job whose process died has the outcome ``gone``.
        """

    def close(self) -> None:
        """End everything at once and leave no process."""

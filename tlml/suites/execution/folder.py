"""A suite's folder: what is done in it, what others do, what is to be forgotten."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from os.path import lexists
from pathlib import Path

from tlml.errors import TlmlError
from tlml.suites.cells import Cell, Plan
from tlml.suites.execution.claims import look
from tlml.suites.execution.data_state import stated
from tlml.suites.execution.failures import read_failure, write_failure
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import is_done, set_aside
from tlml.suites.execution.runner import do_cell
from tlml.suites.execution.scheduler import Seen, World
from tlml.suites.executors.base import Job
from tlml.suites.results import WORK

_AT_A_TIME = 16  # folders
_ROUNDS = 20  # a folder of work that others tidy away while one moves into it is made again


def find_done(out: Path, cells: Iterable[Cell]) -> set[str]:
    """Return the ids of the cells that are done, and set aside what cannot be read."""
    done = set()
    for cell in cells:
        place = Place(out, cell.id)
        if is_done(place.published):
            done.add(cell.id)
        elif lexists(place.published):
            set_aside(place)
    return done


def world_of(
    out: Path, cells: Iterable[Cell], ended: Callable[[], None], data: Mapping[str, str]
) -> World:
    """Return a suite's folder, for a scheduler.

    Args:
        out: The folder.
        cells: All that is run.
        ended: Is told of each cell that is done or failed.
        data: The state of the data that cells read, as `data_state.tell` gives it.
    """
    plain = {cell.id: asdict(cell) | stated(cell.config, data) for cell in cells}

    def job(id: str, steal: str | None) -> Job:
        return Job(id, partial(do_cell, plain[id], str(out), steal))

    def see(id: str) -> Seen:
        place = Place(out, id)
        # On shared storage a listing makes what is new be seen.
        with suppress(OSError):
            next(place.published.parent.iterdir(), None)
        return Seen(is_done(place.published), look(place.claim), read_failure(place.failed))

    def fail(id: str, reason: str) -> None:
        write_failure(Place(out, id).failed, reason)

    return World(job, see, fail, ended)


def to_forget(plan: Plan, patterns: Sequence[str]) -> list[Cell]:
    """Return the cells that match patterns, with their fits and all that starts from these.

    Raises:
        TlmlError: A pattern matches nothing.
    """
    chosen = plan.only(patterns, option="rerun")
    return plan.with_users({cell.id for cell in chosen.distinct()})


def forget(out: Path, cells: Iterable[Cell]) -> None:
    """Remove what is done of some cells, and what was left of attempts at them.

    Args:
        out: The folder.
        cells: What starts from others first: a run that is stopped here leaves nothing that is old.

    Raises:
        TlmlError: The folder is not writable.
    """
    for cell in cells:
        place = Place(out, cell.id)
        aside = out / WORK / cell.id / f"old-{secrets.token_hex(4)}"
        try:
            _move(place.published, aside)
        except OSError as error:
            raise TlmlError(f"{place.published}: cannot be moved ({error.strerror})") from error
        held = look(place.claim)
        if held is None or held.gone:
            shutil.rmtree(place.work, ignore_errors=True)


def _move(published: Path, aside: Path) -> None:
    """Move what is done away, if it is."""
    for number in range(_ROUNDS):
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            published.rename(aside)
            return
        except FileNotFoundError:
            if not lexists(published):
                return
            if number == _ROUNDS - 1:
                raise


def tidy_folder(out: Path) -> None:
    """Remove the folders of work in which nothing is left.

    Some systems wait a few milliseconds for each, so that many are removed at a time.
    """

    def remove(folder: Path) -> None:
        with suppress(OSError):
            folder.rmdir()

    with ThreadPoolExecutor(_AT_A_TIME) as threads, suppress(OSError):
        list(threads.map(remove, (out / WORK).iterdir()))
    remove(out / WORK)

"""Runs the cells of a suite side by side, each once, and goes on where a killed run stopped."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tlml.errors import TlmlError, check_positive
from tlml.files import make_folder
from tlml.suites.cells import Cell, Plan, write_plan
from tlml.suites.execution.board import Board
from tlml.suites.execution.data_state import Dated, changed_cells, dated_cells, tell_here
from tlml.suites.execution.folder import find_done, forget, tidy_folder, world_of
from tlml.suites.execution.places import Place
from tlml.suites.execution.preflight import Findings, ask, look_ahead
from tlml.suites.execution.published import is_done
from tlml.suites.execution.scheduler import Scheduler
from tlml.suites.executors.base import Executor, Job
from tlml.suites.executors.table import LOCAL, find_executor
from tlml.suites.progress import progress_bars
from tlml.suites.results import CELLS


class Ran(NamedTuple):
    """How a run ended.

    Args:
        failed: The ids of the cells that failed.
        refused: Why cells can't be run, by id.
    """

    failed: list[str]
    refused: Mapping[str, str]


def run_suite(
    plan: Plan, out: str | Path, jobs: int | None = None, executor: str = LOCAL
) -> list[str]:
    """Run what is not done yet of a plan, and return the ids of the cells that failed.

    Several processes, on one computer or on many that share the folder, may do so at once. What
    can't be run, as its parts don't go together, is left out and stands in the folder's
    ``plan.json`` as refused.

    Args:
        plan: What to run.
        out: The suite's folder; ``cells/ID`` is there once a cell is done.
        jobs: Cells at a time; as many as there are processors where None.
        executor: What runs them: processes of this computer (``local``), or a plugin's.

    Raises:
        TlmlError: The folder is not writable, an option of a cell is wrong, or nothing can be run:
            nothing is run then.
    """
    return run_plan(plan, out, jobs, executor).failed


def run_plan(
    plan: Plan,
    out: str | Path,
    jobs: int | None = None,
    executor: str = LOCAL,
    anew: Sequence[Cell] = (),
) -> Ran:
    """Run what is not done yet of a plan, as `run_suite` does.

    Args:
        plan: As of `run_suite`.
        out: As of `run_suite`.
        jobs: As of `run_suite`.
        executor: As of `run_suite`.
        anew: What to run anew, what starts from others first. It is forgotten once it is known
            that something can be run.
    """
    from joblib import cpu_count

    check_positive(jobs=jobs)
    make, out = find_executor(executor), Path(out).absolute()
    make_folder(out / CELLS)
    cells = plan.distinct()
    done = find_done(out, cells) - {cell.id for cell in anew}
    dated = dated_cells(out, [cell for cell in cells if cell.id in done])
    if len(done) == len(cells) and not dated:
        return _nothing_to_run(plan, out, anew)
    slots = min(jobs or cpu_count(), len(cells) - len(done) + len(dated))
    with closing(make(slots)) as pool:
        changed = _changed(pool, plan, dated)
        old = {cell.id for cell in changed} & done
        done -= old
        todo = [cell for cell in cells if cell.id not in done]
        if not todo:
            return _nothing_to_run(plan, out, anew)
        found = look_ahead(pool, todo, plan.fits)
        refused = _refused(plan, found)
        _say_changed(changed, old)
        forget(out, [*anew, *changed])
        left = plan.without(refused)
        write_plan(left, out)
        failed = _run(left, out, done, pool, found.data)
    tidy_folder(out)
    return Ran(failed, refused)


def preview(plan: Plan, out: str | Path, executor: str = LOCAL) -> tuple[Plan, Mapping[str, str]]:
    """Return a plan as it would be run, and which domains can't be looked at here, with why.

    Choices of a fit that are refused are among what is refused; others are chosen from.

    Args:
        plan: What to run.
        out: The suite's folder; what is done there is not checked.
        executor: What would run it.

    Raises:
        TlmlError: An option of a cell is wrong, or nothing can be run.
    """
    todo = [cell for cell in plan.distinct() if _is_open(cell, Path(out))]
    if not todo:
        return plan, {}
    with closing(find_executor(executor)(1)) as pool:
        found = look_ahead(pool, todo, plan.fits)
    left = plan.without(_refused(plan, found._replace(unread={})))
    refused = (*left.refused, *left.refused_choices(found.refused))
    return replace(left, refused=refused), found.unread


def _is_open(cell: Cell, out: Path) -> bool:
    """Return whether a cell is to be done, and can be looked at without a download."""
    downloads = cell.config["domain_options"].get("download")
    return not downloads and not is_done(Place(out, cell.id).published)


def _refused(plan: Plan, found: Findings) -> Mapping[str, str]:
    """Return why cells are left out.

    Raises:
        TlmlError: Data is missing, or nothing is left.
    """
    for domain, reason in found.unread.items():
        raise TlmlError(f"nothing was run: {domain}: {reason}")
    if not plan.without(found.refused).adapts:
        reason = plan.without(found.refused).refused[-1].reason
        raise TlmlError(f"suite {plan.name}: nothing in it can be run: {reason}")
    return found.refused


def _nothing_to_run(plan: Plan, out: Path, anew: Sequence[Cell]) -> Ran:
    forget(out, anew)
    write_plan(plan, out)
    return Ran([], {})


def _changed(pool: Executor, plan: Plan, dated: Dated) -> list[Cell]:
    """Return what was made of data that has changed, with all that starts from it."""
    if not dated:
        return []
    configs = [cell.config for cell, _ in dated]
    data = ask(pool, Job("data", partial(tell_here, configs)))
    return plan.with_users(changed_cells(dated, data))


def _say_changed(changed: Sequence[Cell], old: Collection[str]) -> None:
    """Say how much of what is done is made anew, as data has changed."""
    if changed:
        domains = ", ".join(dict.fromkeys(cell.domain for cell in changed))
        about = f"the data of {domains} has changed: {len(old)} cells are run anew"
        print(about, file=sys.stderr)


def _run(
    plan: Plan, out: Path, done: set[str], pool: Executor, data: Mapping[str, str]
) -> list[str]:
    cells = plan.distinct()
    todo = [cell for cell in cells if cell.id not in done]
    if not todo:
        return []
    with progress_bars(out, todo, len(cells)) as ended:
        board = Board(cells, done & {cell.id for cell in cells})
        failures = Scheduler(board, pool, world_of(out, cells, ended, data)).run()
    return [cell.id for cell in cells if cell.id in failures]

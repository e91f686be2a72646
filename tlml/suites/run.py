"""Runs the cells of a suite side by side, each once, and goes on where a killed run stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError, check_positive
from tlml.files import make_folder
from tlml.suites.cells import Cell, Plan, write_plan
from tlml.suites.execution.board import Board
from tlml.suites.execution.data_state import (
    Dated,
    changed_cells,
    dated_cells,
    tell,
    tell_here,
)
from tlml.suites.execution.folder import find_done, forget, tidy_folder, world_of
from tlml.suites.execution.scheduler import TRIES, Scheduler
from tlml.suites.executors.base import Executor, Job, Outcome
from tlml.suites.executors.table import LOCAL, find_executor
from tlml.suites.progress import progress_bars
from tlml.suites.results import CELLS


def run_suite(
    plan: Plan, out: str | Path, jobs: int | None = None, executor: str = LOCAL
) -> list[str]:
    """Run what is not done yet of a plan, and return the ids of the cells that failed.

    Several processes, on one computer or on many that share the folder, may do so at once.

    Args:
        plan: What to run.
        out: The suite's folder; ``cells/ID`` is there once a cell is done.
        jobs: Cells at a time; as many as there are processors where None.
        executor: What runs them: processes of this computer (``local``), or a plugin's.

    Raises:
        TlmlError: The folder is not writable, or an option of a cell is wrong: nothing is run then.
    """
    from joblib import cpu_count

    check_positive(jobs=jobs)
    make, out = find_executor(executor), Path(out).absolute()
    cells = plan.distinct()
    make_folder(out / CELLS)
    write_plan(plan, out)
    done = find_done(out, cells)
    dated = dated_cells(out, [cell for cell in cells if cell.id in done])
    if len(done) == len(cells) and not dated:
        return []
    slots = min(jobs or cpu_count(), len(cells) - len(done) + len(dated))
    with closing(make(slots)) as pool:
        done -= _forget_changed(pool, out, dated)
        todo = [cell for cell in cells if cell.id not in done]
        if not todo:
            return []
        with progress_bars(out, todo, len(cells)) as ended:
            world = world_of(out, cells, ended, _check(pool, todo))
            failures = Scheduler(Board(cells, done), pool, world).run()
    tidy_folder(out)
    return [cell.id for cell in cells if cell.id in failures]


def check_here(configs: Sequence[dict[str, Any]]) -> Outcome:
    """Make what the cells are made of, and say the first thing that is wrong, if any.

    Else say the state of the data that they read.
    """
    from tlml.lightning_notes import quiet
    from tlml.suites.run_cell import check_cell

    data: dict[str, str] = {}
    for config in configs:
        try:
            with quiet():
                check_cell(config)
                data |= tell(config, data)
        except (TlmlError, TypeError, ValueError) as error:
            wrong = f"{config['domain']}, {config['learner']}: {' '.join(str(error).split())}"
            return Outcome("failed", wrong)
    return Outcome("done", facts=data)


def _check(pool: Executor, todo: Iterable[Cell]) -> Mapping[str, str]:
    return _facts(pool, Job("check", partial(check_here, _configs(todo))))


def _forget_changed(pool: Executor, out: Path, dated: Dated) -> set[str]:
    """Forget what was made of data that has changed, say so, and return its ids."""
    if not dated:
        return set()
    data = _facts(pool, Job("data", partial(tell_here, _configs(cell for cell, _ in dated))))
    changed = changed_cells(dated, data)
    if changed:
        domains = ", ".join(dict.fromkeys(cell.domain for cell in changed))
        print(
            f"the data of {domains} has changed: {len(changed)} cells are run anew",
            file=sys.stderr,
        )
    forget(out, changed)
    return {cell.id for cell in changed}


def _facts(pool: Executor, job: Job) -> Mapping[str, str]:
    outcome = Outcome("gone")
    for _ in range(TRIES):
        outcome = _run_alone(pool, job)
        if outcome.ending != "gone":
            break
    if outcome.ending != "done":
        how = "" if outcome.ending == "failed" else f"its {job.id} was "
        raise TlmlError(f"nothing was run: {how}{outcome.reason}")
    return outcome.facts


def _configs(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """Return what is to be checked.

    Seeds and shots change nothing in what can be wrong, except for the shots themselves.
    """
    distinct: dict[str, dict[str, Any]] = {}
    for cell in cells:
        about = {k: v for k, v in cell.config.items() if k not in ("seed", "fits", "choice")}
        view = about.get("view", {})
        about["view"] = {k: v for k, v in view.items() if k not in ("seed", "episode")}
        distinct.setdefault(json.dumps(about, sort_keys=True), cell.config)
    return list(distinct.values())


def _run_alone(pool: Executor, job: Job) -> Outcome:
    pool.submit(job)
    while True:
        for _, outcome in pool.wait(1.0):
            return outcome

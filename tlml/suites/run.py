"""Runs the cells of a suite side by side, each once, and goes on where a killed run stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError, check_choice, check_positive
from tlml.files import make_folder, write_atomic
from tlml.suites.cells import Cell, Plan, write_plan
from tlml.suites.executors.local import parallel
from tlml.suites.progress import NOTE, progress_bars, reporter

BACKENDS = ("loky", "ray")


def run_suite(plan: Plan, out: Path, jobs: int | None = None, backend: str = "loky") -> list[str]:
    """Run what is not done yet of a plan, and return the ids of the cells that failed.

    ``cells/ID/result.json`` means done; ``last.ckpt`` alone means that a fit goes on from there.

    Args:
        plan: What to run.
        out: The suite's folder.
        jobs: Cells at a time; as many as there are processors where None.
        backend: Processes of one computer (``loky``), or a Ray cluster that shares the folder.

    Raises:
        TlmlError: The folder is not writable, or an option of a cell is wrong: nothing is run then.
    """
    from joblib import cpu_count

    check_positive(jobs=jobs)
    check_choice("backend", backend, BACKENDS)
    cells = _distinct([*plan.fits, *plan.adapts])
    todo = [cell for cell in cells if not _done(out, cell)]
    make_folder(out / "cells")
    write_plan(plan, out)
    if not todo:
        return []
    workers = min(jobs or cpu_count(), len(todo))
    with parallel(workers, backend) as run, progress_bars(out, todo, len(cells)) as advance:
        _check(run, todo)
        failed = [id for wave in _waves(todo) for id in _run(run, out, wave, advance)]
    return failed


def run_here(cell: dict[str, Any], out: str) -> str | None:
    """Run one cell in this process and return why it failed, if it did."""
    import torch

    from tlml.suites.run_cell import run_cell

    torch.set_num_threads(1)
    folder = Path(out) / "cells" / cell["id"]
    checkpoints = _checkpoints(cell, out)
    try:
        if not all((path.parent / "result.json").is_file() for path in checkpoints):
            before = "fit that it starts from" if "fits" in cell else "choice of its options"
            raise TlmlError(f"the {before} failed")
        (folder / "failed.json").unlink(missing_ok=True)
        run_cell(cell, folder, checkpoints, reporter(folder / NOTE))
    except Exception as error:  # one cell's failure is written down and stops no other cell
        reason = " ".join(str(error).split()) or type(error).__name__
        named = reason if isinstance(error, TlmlError) else f"{type(error).__name__}: {reason}"
        write_atomic(make_folder(folder) / "failed.json", json.dumps({"error": named}) + "\n")
        return named
    finally:
        (folder / NOTE).unlink(missing_ok=True)
    return None


def check_here(configs: Sequence[dict[str, Any]]) -> str | None:
    """Make what the cells are made of and return the first thing that is wrong, if any."""
    from tlml.lightning_notes import quiet
    from tlml.suites.run_cell import check_cell

    for config in configs:
        try:
            with quiet():
                check_cell(config)
        except (TlmlError, TypeError, ValueError) as error:
            return f"{config['domain']}, {config['learner']}: {' '.join(str(error).split())}"
    return None


def _check(run: Callable[[Iterable[Any]], Iterator[Any]], todo: Sequence[Cell]) -> None:
    from joblib import delayed

    # Seeds and shots change nothing in what can be wrong, except for the shots themselves.
    distinct: dict[str, dict[str, Any]] = {}
    for cell in todo:
        about = {k: v for k, v in cell.config.items() if k not in ("seed", "fits", "choice")}
        view = about.get("view", {})
        about["view"] = {k: v for k, v in view.items() if k not in ("seed", "episode")}
        distinct.setdefault(json.dumps(about, sort_keys=True), cell.config)
    for wrong in run([delayed(check_here)(list(distinct.values()))]):
        if wrong:
            raise TlmlError(f"nothing was run: {wrong}")


def _run(
    run: Callable[[Iterable[Any]], Iterator[Any]],
    out: Path,
    cells: Sequence[Cell],
    advance: Callable[[], None],
) -> list[str]:
    from joblib import delayed

    failed = []
    for id, reason in run(delayed(_number)(asdict(cell), str(out)) for cell in cells):
        advance()
        if reason:
            failed.append(id)
    return failed


def _number(cell: dict[str, Any], out: str) -> tuple[str, str | None]:
    return cell["id"], run_here(cell, out)


def _distinct(cells: Iterable[Cell]) -> list[Cell]:
    # Two methods of one configuration share a cell.
    return list({cell.id: cell for cell in cells}.values())


def _done(out: Path, cell: Cell) -> bool:
    return (out / "cells" / cell.id / "result.json").is_file()


def _waves(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Divide cells so that each starts from nothing but what is done or of an earlier wave."""
    left = list(cells)
    while left:
        ids = {cell.id for cell in left}
        yield [cell for cell in left if ids.isdisjoint(cell.waits_for)]
        left = [cell for cell in left if not ids.isdisjoint(cell.waits_for)]


def _checkpoints(cell: dict[str, Any], out: str) -> list[Path]:
    before = cell["fits"] if "fits" in cell else cell["after"]
    return [Path(out) / "cells" / id / "last.ckpt" for id in before]

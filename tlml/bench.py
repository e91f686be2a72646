"""Runs the cells of a suite side by side, each once, and goes on where a killed run stopped."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError, check_choice, check_positive
from tlml.files import make_folder, write_atomic
from tlml.plan import AdaptCell, FitCell, Plan, write_plan

if TYPE_CHECKING:
    from rich.progress import Progress

Cell = FitCell | AdaptCell
BACKENDS = ("loky", "ray")
_POLL = 0.3  # seconds between looks at the progress of running cells
_NOTE = "progress"  # the file in which a running cell says how far it is


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
    check_positive(jobs=jobs)
    check_choice("backend", backend, BACKENDS)
    cells = _distinct([*plan.fits, *plan.adapts])
    todo = [cell for cell in cells if not _done(out, cell)]
    make_folder(out / "cells")
    write_plan(plan, out)
    if not todo:
        return []
    workers = min(jobs or len(os.sched_getaffinity(0)), len(todo))
    with _parallel(workers, backend) as run, _watched(out, todo, len(cells)) as advance:
        _check(run, todo)
        failed = _run(run, out, [cell for cell in todo if not _waits(cell)], advance)
        failed += _run(run, out, [cell for cell in todo if _waits(cell)], advance)
    return failed


def run_here(cell: dict[str, Any], out: str) -> str | None:
    """Run one cell in this process and return why it failed, if it did."""
    import torch

    from tlml.experiment import run_cell

    torch.set_num_threads(1)
    folder = Path(out) / "cells" / cell["id"]
    checkpoints = _checkpoints(cell, out)
    try:
        if not all((path.parent / "result.json").is_file() for path in checkpoints):
            raise TlmlError("the fit that it starts from failed")
        (folder / "failed.json").unlink(missing_ok=True)
        run_cell(cell, folder, checkpoints, _reporter(folder / _NOTE))
    except Exception as error:  # one cell's failure is written down and stops no other cell
        reason = " ".join(str(error).split()) or type(error).__name__
        named = reason if isinstance(error, TlmlError) else f"{type(error).__name__}: {reason}"
        write_atomic(make_folder(folder) / "failed.json", json.dumps({"error": named}) + "\n")
        return named
    finally:
        (folder / _NOTE).unlink(missing_ok=True)
    return None


def check_here(configs: Sequence[dict[str, Any]]) -> str | None:
    """Make what the cells are made of and return the first thing that is wrong, if any."""
    from tlml.cell import quiet
    from tlml.experiment import check_cell

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
        about = {k: v for k, v in cell.config.items() if k not in ("seed", "fits")}
        about["view"] = {k: v for k, v in about["view"].items() if k not in ("seed", "episode")}
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
    for id, reason in run(delayed(_numbered)(asdict(cell), str(out)) for cell in cells):
        advance()
        if reason:
            failed.append(id)
    return failed


def _numbered(cell: dict[str, Any], out: str) -> tuple[str, str | None]:
    return cell["id"], run_here(cell, out)


@contextmanager
def _parallel(workers: int, backend: str) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    from joblib import Parallel, parallel_config
    from joblib.externals.loky import get_reusable_executor

    if backend == "ray":
        _register_ray()
    # Small networks lose by threads; a cell has one.
    threads = {"inner_max_num_threads": 1} if backend == "loky" else {}
    try:
        with parallel_config(backend=backend, n_jobs=workers, **threads):
            yield Parallel(return_as="generator_unordered", batch_size=1)
    finally:
        # Workers that outlive the run would know the next one's plugins as they were in this one.
        if backend == "loky" and workers > 1:
            get_reusable_executor().shutdown(wait=True)


def _register_ray() -> None:
    try:
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise TlmlError("backend: ray is not installed; pip install 'tlml[ray]'") from error
    register_ray()


def _distinct(cells: Iterable[Cell]) -> list[Cell]:
    # Two methods of one configuration share a cell.
    return list({cell.id: cell for cell in cells}.values())


def _done(out: Path, cell: Cell) -> bool:
    return (out / "cells" / cell.id / "result.json").is_file()


def _waits(cell: Cell) -> bool:
    return isinstance(cell, AdaptCell) and bool(cell.fits)


def _checkpoints(cell: dict[str, Any], out: str) -> list[Path]:
    return [Path(out) / "cells" / fit / "last.ckpt" for fit in cell.get("fits", ())]


def _reporter(path: Path) -> Callable[[float], None]:
    last = 0.0

    def report(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _POLL:
            last = now
            path.write_text(f"{share:.4f}")

    return report


@contextmanager
def _watched(out: Path, todo: Sequence[Cell], total: int) -> Iterator[Callable[[], None]]:
    """Show a bar of all cells and one of each that runs; give what counts a cell as done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    done = total - len(todo)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        whole = bars.add_task("cells", total=total, completed=done)
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(bars, out, todo, stop), daemon=True)
        watcher.start()
        try:
            yield lambda: bars.advance(whole)
        finally:
            stop.set()
            watcher.join()


def _watch(bars: Progress, out: Path, todo: Sequence[Cell], stop: threading.Event) -> None:
    shown: dict[str, Any] = {}
    while not stop.wait(_POLL):
        for cell in todo:
            share = _share(out / "cells" / cell.id / _NOTE)
            if share is None and cell.id in shown:
                bars.remove_task(shown.pop(cell.id))
            elif share is not None:
                if cell.id not in shown:
                    shown[cell.id] = bars.add_task(_title(cell), total=100)
                bars.update(shown[cell.id], completed=round(100 * share))


def _share(path: Path) -> float | None:
    try:
        return float(path.read_text() or 0)
    except (OSError, ValueError):
        return None


def _title(cell: Cell) -> str:
    if isinstance(cell, FitCell):
        episode = "" if cell.episode is None else f", episode {cell.episode}"
        return f"{cell.domain}: fit {cell.name}, seed {cell.seed}{episode}"
    return f"{cell.domain}, {cell.shots} shots: {cell.method}, seed {cell.seed}"

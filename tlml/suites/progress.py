"""How far the running cells are: a note of each, and bars of all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlml.suites.cells import Cell, FitCell
from tlml.suites.results import NOTE, WORK

if TYPE_CHECKING:
    from rich.progress import Progress

_POLL = 0.3  # seconds between looks at the progress of running cells


def reporter(path: Path) -> Callable[[float], None]:
    """Return what writes the share of a cell that is done into its note."""
    last = 0.0

    def report(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _POLL:
            last = now
            with suppress(OSError):  # a note is worth no failure
                path.write_text(f"{share:.4f}", encoding="utf-8")

    return report


@contextmanager
def progress_bars(out: Path, todo: Sequence[Cell], total: int) -> Iterator[Callable[[], None]]:
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
            share = _share(out / WORK / cell.id / NOTE)
            if share is None and cell.id in shown:
                bars.remove_task(shown.pop(cell.id))
            elif share is not None:
                if cell.id not in shown:
                    shown[cell.id] = bars.add_task(_title(cell), total=100)
                bars.update(shown[cell.id], completed=round(100 * share))


def _share(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="utf-8") or 0)
    except (OSError, ValueError):
        return None


def _title(cell: Cell) -> str:
    if isinstance(cell, FitCell):
        episode = "" if cell.episode is None else f", episode {cell.episode}"
        tried = "".join(f", {name}={value}" for name, value in cell.tried.items())
        return f"{cell.domain}: fit {cell.name}, seed {cell.seed}{episode}{tried}"
    ((axis, value),) = cell.point.items()
    return f"{cell.domain}, {axis} {value}: {cell.method}, seed {cell.seed}"

"""What two jobs gain over one, against what two bare processes gain over one.

    python -m benchmarks.speed.jobs [--rounds 3] [--cells 8] [--epochs 60] [--readme]

Equal cells of some seconds, fits of a small network that differ in their seeds. *bare*: processes
that have imported everything divide them and run one after the other, into folders of their own.
*tlml*: the scheduler and its pool of workers, which have imported everything too. Both with one and
two processes in turn, by the clock, since that is what is gained: the gains of one round are of the
same minutes of the machine, and their ratio is to be at least .95.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.output import README, fill
from tlml.files import make_folder
from tlml.registry import default_registry
from tlml.suites import FitCell, Suite, plan
from tlml.suites.execution.board import Board
from tlml.suites.execution.folder import world_of
from tlml.suites.execution.scheduler import Scheduler
from tlml.suites.executors.base import Job, Outcome
from tlml.suites.executors.local import LocalExecutor
from tlml.suites.results import CELLS

MARK = "<!-- jobs table -->\n"
_SUITE: dict[str, Any] = {
    "name": "jobs",
    "domains": {"sinusoid": {"shots": [5], "learner": {"network": "mlp"}}},
    "fits": {"fit": {"learner": "supervised", "view": {"batch_size": 8, "samples": 400}}},
    "methods": {"full": {"fit": "fit", "strategy": "full"}},
}
Seconds = dict[str, list[float]]  # of each side, one a round


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.jobs", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is timed")
    parser.add_argument("--cells", type=int, default=8, help="how many there are")
    parser.add_argument("--epochs", type=int, default=60, help="of each")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    options = parser.parse_args(argv)
    table = markdown(measured(options.rounds, options.cells, options.epochs))
    print(table)
    if options.readme:
        fill(README, MARK, table)


def measured(rounds: int, number: int, epochs: int) -> Seconds:
    """Return the seconds of each side, one a round."""
    suite = Suite.model_validate({**_SUITE, "seeds": number, "trainer": {"max_epochs": epochs}})
    cells = list(plan(suite, default_registry()).fits)
    sides = {
        f"{name}, {processes}": partial(call, cells, processes=processes)
        for name, call in (("bare", bare), ("tlml", pooled))
        for processes in (1, 2)
    }
    found: Seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            with _folder() as folder:
                found[name].append(side(folder))
    return found


def bare(cells: list[FitCell], folder: Path, processes: int) -> float:
    """Run cells in processes that divide them beforehand, and return the seconds."""
    context = get_context("spawn")
    barrier = context.Barrier(processes + 1)
    shares = [cells[number::processes] for number in range(processes)]
    started = [
        context.Process(target=_run_share, args=(barrier, share, folder)) for share in shares
    ]
    for process in started:
        process.start()
    barrier.wait()
    begun = time.perf_counter()
    for process in started:
        process.join()
        assert process.exitcode == 0
    return time.perf_counter() - begun


def pooled(cells: list[FitCell], folder: Path, processes: int) -> float:
    """Run cells as a suite does, and return the seconds."""
    make_folder(folder / CELLS)
    pool = LocalExecutor(processes)
    try:
        _warm_up(pool, cells[0])
        begun = time.perf_counter()
        world = world_of(folder, cells, lambda: None, {})
        assert not Scheduler(Board(cells, ()), pool, world).run()
        return time.perf_counter() - begun
    finally:
        pool.close()


def markdown(found: Seconds) -> str:
    """Return the table: seconds, what two gain over one, and the ratio of both gains."""
    gains = {
        name: [one / two for one, two in zip(found[f"{name}, 1"], found[f"{name}, 2"], strict=True)]
        for name in ("bare", "tlml")
    }
    lines = ["| | one process, s | two, s | gain |", "| --- | --: | --: | --: |"]
    for name, own in gains.items():
        seconds = " | ".join(f"{median(found[f'{name}, {number}']):.1f}" for number in (1, 2))
        lines.append(f"| {name} | {seconds} | {median(own):.2f} |")
    ratios = [a / b for a, b in zip(gains["tlml"], gains["bare"], strict=True)]
    lines.append(f"| tlml's gain of the bare one | | | {median(ratios):.2f} |")
    return "\n".join(lines) + "\n"


def _run_share(barrier: Barrier, cells: list[FitCell], folder: Path) -> None:
    import torch

    from tlml.suites.run_cell import run_cell

    torch.set_num_threads(1)
    _warmed(cells[0])
    barrier.wait()
    for cell in cells:
        run_cell(asdict(cell), make_folder(folder / cell.id), [], lambda share: None)


def _warm_up(pool: LocalExecutor, cell: FitCell) -> None:
    """Have each process of a pool import what cells need."""
    for number in range(pool.slots):
        pool.submit(Job(f"warm {number}", partial(_warmed, cell)))
    left = pool.slots
    while left:
        left -= len(list(pool.wait(1.0)))


def _warmed(cell: FitCell) -> Outcome:
    """Run a cell of one epoch, which imports all that the others need."""
    from tlml.suites.run_cell import run_cell

    short = {**asdict(cell), "config": {**cell.config, "trainer": {"max_epochs": 1}}}
    with _folder() as folder:
        run_cell(short, folder, [], lambda share: None)
    return Outcome("done")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""What it costs to make a cell safe: claim, private folder, hash, publishing.

    python -m benchmarks.speed.cells [--rounds 200] [--readme]

A cell writes its files: a configuration, a checkpoint of 600 kB, a result. Four sides do so in
turn, in one process: *bare* (the same bytes into a new folder), *hashed* (and the checkpoint's
hash), *cell* (as a suite does it, without waiting for the disk) and *synced* (as a suite does it).
Medians of the differences within rounds, CPU and by the clock: *cell* is to add less than 5 ms.
What waiting for the disk (fsync) costs is the disk's affair, and said apart.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.output import README, fill
from benchmarks.speed.timing import Time
from tlml.files import make_folder
from tlml.suites.execution.published import digest
from tlml.suites.execution.runner import do_cell
from tlml.suites.results import CELLS, CHECKPOINT

MARK = "<!-- cells table -->\n"
_CHECKPOINT = secrets.token_bytes(600_000)
_CELL: dict[str, Any] = {"config": {"kind": "fit"}, "versions": {}, "after": ()}
_CONFIG = "kind: fit\n" * 20


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.cells", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=200, help="how often each side is timed")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    options = parser.parse_args(argv)
    table = markdown(measured(options.rounds))
    print(table)
    if options.readme:
        fill(README, MARK, table)


def measured(rounds: int) -> dict[str, list[Time]]:
    """Return the times of each side, one a round; the first rounds warm up."""
    times: dict[str, list[Time]] = {"bare": [], "hashed": [], "cell": [], "synced": []}
    folder = Path(tempfile.mkdtemp(prefix="cells-"))
    for name in ("cell", "synced"):
        make_folder(folder / name / CELLS)
    numbers = count()
    with _stubbed():
        sides: dict[str, Callable[[], object]] = {
            "bare": lambda: _write(folder / "bare" / f"{next(numbers):016x}", whole=True),
            "hashed": lambda: _hashed(folder / "hashed" / f"{next(numbers):016x}"),
            "cell": lambda: _unsynced(folder / "cell", next(numbers)),
            "synced": lambda: _cell(folder / "synced", next(numbers)),
        }
        for turn in range(rounds + 5):
            for name, call in sides.items():
                spent = _time(call)
                if turn >= 5:
                    times[name].append(spent)
    shutil.rmtree(folder)
    return times


def markdown(times: dict[str, list[Time]]) -> str:
    """Return the table: what each side takes, and what it takes more than the one before."""
    lines = [
        "| | CPU ms | wall ms | more CPU ms | more wall ms |",
        "| --- | --: | --: | --: | --: |",
    ]
    before: str | None = None
    for name, own in times.items():
        cells = [median(one.cpu_ms for one in own), median(one.wall_ms for one in own)]
        if before is not None:
            pairs = list(zip(own, times[before], strict=True))
            cells += [median(a.cpu_ms - b.cpu_ms for a, b in pairs)]
            cells += [median(a.wall_ms - b.wall_ms for a, b in pairs)]
        shown = " | ".join(f"{cell:.2f}" for cell in cells)
        lines.append(f"| {name} | {shown} |{'' if before else '  |  |'}")
        before = name
    return "\n".join(lines) + "\n"


def _hashed(folder: Path) -> None:
    _write(folder, whole=True)
    assert digest(folder / CHECKPOINT)


def _cell(out: Path, number: int) -> None:
    id = f"{number:016x}"
    outcome = do_cell({**_CELL, "id": id}, str(out))
    assert outcome.ending == "done", outcome


def _unsynced(out: Path, number: int) -> None:
    with patch("tlml.files._to_disk", new=_write_nothing):
        _cell(out, number)


def _write_nothing(path: Path) -> None:
    """Stand in for waiting until a file is on the disk."""


def _write(folder: Path, whole: bool = False) -> None:
    """Write what a cell writes itself; `whole` adds the result, which publishing writes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(_CONFIG, encoding="utf-8")
    (folder / "last.ckpt").write_bytes(_CHECKPOINT)
    if whole:
        (folder / "result.json").write_text('{"kind": "fit"}\n', encoding="utf-8")


@contextmanager
def _stubbed() -> Iterator[None]:
    """Let a cell do nothing but write."""

    def run(cell: dict[str, Any], folder: Path, *rest: object) -> dict[str, Any]:
        _write(folder)
        return {"kind": "fit"}

    with patch("tlml.suites.run_cell.run_cell", run):
        yield


def _time(call: Callable[[], object]) -> Time:
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Time(1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall))


if __name__ == "__main__":
    main()

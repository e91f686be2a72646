"""Disks that are full at a certain size: small file systems in memory, which root may mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stress.commands import Ended, run_command
from benchmarks.stress.files import SUITE
from benchmarks.stress.runs import Run, content
from benchmarks.stress.tally import Tally

SIZES = (4, 8, 16, 32, 48, 64, 80, 96, 128, 192)  # KiB; the suite writes about 200
_ROOM = 65536  # KiB, once room was made


def fill_disks(folder: Path, tally: Tally) -> None:
    """Run a suite on disks of ten sizes, make room, and type the command again."""
    if reason := _refusal(folder):
        tally.skip("disk full", reason)
        return
    suite = folder / "suite.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    if (ended := _bench(suite, folder / "right")).status != 0:
        raise SystemExit(f"an undisturbed run failed: {ended.said}")
    right = content(folder / "right")
    for jobs in (1, 2):
        for size in SIZES:
            with disk(folder / f"disk{size}-{jobs}", size) as place:
                wrong = _fill(suite, place, jobs, right)
                about = f"{place.name}: {wrong}" if wrong else ""
                tally.count(f"disk full, jobs {jobs}", about, say=True)


def _fill(suite: Path, place: Path, jobs: int, right: dict[str, object]) -> str:
    """Run on a small disk, by processes of its own where there are two jobs, and once more."""
    out = place / "out"
    if jobs == 1:
        first = _bench(suite, out)
    else:
        run = Run(out, jobs, suite)
        first = Ended(run.end(), run.said())
    if wrong := first.wrong(0, 1, 2):
        return wrong
    _mount(["remount"], _ROOM, place)
    again = _bench(suite, out)
    return again.wrong(0) or ("" if content(out) == right else "other numbers")


def _bench(suite: Path, out: Path) -> Ended:
    return run_command(["bench", str(suite), "--out", str(out), "--jobs", "1"])


@contextmanager
def disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a disk of some KiB at a place until the block ends."""
    place.mkdir()
    _mount([], size, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _mount(options: list[str], size: int, place: Path) -> None:
    words = ",".join([*options, f"size={size}k"])
    command = ["mount", "-t", "tmpfs", "-o", words, "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _refusal(folder: Path) -> str:
    """Say why no disk can be mounted here; "" if one can."""
    if sys.platform != "linux":
        return "it needs Linux, where disks can be made of memory"
    try:
        with disk(folder / "trial", SIZES[0]):
            return ""
    except OSError as error:
        return f"mount: {error}"
    except subprocess.CalledProcessError as error:
        return f"mount: {' '.join(str(error.stderr).split())}"

"""Disks that are full at a certain size: small file systems in memory, which root may mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stress.runs import Run, heal, undisturbed
from benchmarks.stress.tally import Tally

SIZES = (4, 8, 16, 32, 64, 96, 128, 192, 256, 384)  # KiB; the suite writes about 300
_ROOM = 65536  # KiB, once room was made


def fill_disks(folder: Path, tally: Tally) -> None:
    """Run a suite on disks of ten sizes, make room, and type the command again."""
    if reason := _refusal(folder):
        tally.skip("disk full", reason)
        return
    right = undisturbed(folder)
    for jobs in (1, 2):
        for size in SIZES:
            with disk(folder / f"disk{size}-{jobs}", size) as place:
                tally.count(f"disk full, jobs {jobs}", _fill(place, jobs, right))


def _fill(place: Path, jobs: int, right: dict[str, object]) -> str:
    suite, out = place.parent / "suite.yaml", place / "out"
    run = Run(out, jobs, suite)
    status, said = run.end(), run.said()
    if status not in (0, 1, 2) or "Traceback" in said:
        return f"{place.name}: exit status {status}: {said[-1500:]}"
    _mount(["remount"], _ROOM, place)
    return heal(out, jobs, right, suite)


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

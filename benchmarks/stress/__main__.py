"""Tries what happens to runs of suites, and prints tried and held.

    python -m benchmarks.stress [--parts runs disks suites lines files] [--minutes 6]
                                [--number 1000] [--seed 0]

runs: kills, stops and doubles commands at random moments, with one and two jobs, and damages what
they wrote, for so many minutes. disks: fills a disk at ten sizes, with one and two jobs. suites,
lines, files: so many suites and command lines that are wrong at random places, and damaged files.
A try holds if no traceback is shown, and the command ends with exit status 2, or it (the same
command again) comes to what an undisturbed run with one job comes to.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.stress.disks import fill_disks
from benchmarks.stress.files import damage_files
from benchmarks.stress.lines import try_lines
from benchmarks.stress.runs import disturb_runs
from benchmarks.stress.suites import try_suites
from benchmarks.stress.tally import Tally

PARTS = ("runs", "disks", "suites", "lines", "files")


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--minutes", type=float, default=6, help="for the part runs")
    parser.add_argument("--number", type=int, default=1000, help="of suites, lines and files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder, tally = Path(tempfile.mkdtemp(prefix="stress-")), Tally()
    for part in options.parts:
        own, rng = folder / part, random.Random(f"{options.seed} {part}")
        own.mkdir()
        match part:
            case "runs":
                disturb_runs(own, rng, tally, 60 * options.minutes)
            case "disks":
                fill_disks(own, tally)
            case "suites":
                try_suites(own, rng, tally, options.number)
            case "lines":
                try_lines(own, rng, tally, options.number)
            case "files":
                damage_files(own, rng, tally, options.number)
    print("\n".join(tally.lines()))
    if not tally.all_held:
        print(f"what was left is in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

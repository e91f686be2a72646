"""Transfer by tlml and by skada on the same arrays: accuracy and time.

Both get the same inputs and, where an option means the same to both, the same options. Maps and
weights are handed to one support vector machine, which is not timed; networks start from the same
parameters and take as many steps. The libraries are timed in turn, in one process and one thread,
by CPU time, and ratios are taken within each round.

    python -m benchmarks.transfer.compare                       all cases, in about five minutes
    python -m benchmarks.transfer.compare --only 'digits: tca'  some of them
    python -m benchmarks.transfer.compare --rounds 20 --out -   more rounds; print the JSON
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.command_line import parsed, parser
from benchmarks.output import README, command, fill, write
from benchmarks.speed.timing import faster, time_in_turn, typical
from benchmarks.transfer.cases import cases
from benchmarks.transfer.deep import quiet
from benchmarks.transfer.measured import Measured, markdown
from benchmarks.transfer.sides import SKADA, TLML, Case

MARK = "<!-- transfer table -->\n"
PACKAGES = ("tlml", "torch", "scikit-learn", "skada", "POT")


def main(argv: Sequence[str] | None = None) -> None:
    """Compare what was asked for, print the table and write the results."""
    options = _options(argv)
    known = list(cases())
    chosen = [case for case in known if fnmatchcase(case.title, options.only)]
    if not chosen:
        titles = ", ".join(case.title for case in known)
        raise SystemExit(f"--only: '{options.only}' matches none of {titles}")
    quiet()
    torch.set_num_threads(1)
    found = []
    with threadpool_limits(1):
        for case in chosen:
            found.append(measure(case, options.rounds))
            print("  ".join(found[-1].row()), file=sys.stderr, flush=True)
    content = {
        "command": command("benchmarks.transfer.compare"),
        "versions": {name: version(name) for name in PACKAGES},
        "cases": [asdict(one) for one in found],
    }
    write(content, markdown(found), options.out)
    if options.readme:
        fill(README, MARK, markdown(found))


def measure(case: Case, rounds: int | None = None) -> Measured:
    """Compare the accuracy of both sides, and time them in turn.

    Args:
        case: What to compare.
        rounds: How often to time it; as often as fits some seconds where None.
    """
    runs = [(arrays, seed) for arrays in case.draws for seed in range(case.seeds)]
    right: dict[str, float] = {}
    for name, side in case.sides.items():
        found = [side.answer(side.learn(*run), run[0]) == run[0].query_y for run in runs]
        right[name] = round(float(np.mean(found)), 4)
    calls = {name: partial(side.learn, *runs[0]) for name, side in case.sides.items()}
    times = time_in_turn(calls, rounds)
    return Measured(
        case.draws[0].name,
        case.method,
        len(times[TLML]),
        right,
        {name: typical(of) for name, of in times.items()},
        faster(times[TLML], times[SKADA]),
    )


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("benchmarks.transfer.compare", __doc__, "data: method", "transfer.json")
    return parsed(made, argv)


if __name__ == "__main__":
    main()

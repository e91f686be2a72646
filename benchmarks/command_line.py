"""What the commands that time sides in turn have in common."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.output import RESULTS
from benchmarks.provenance import provenance
from benchmarks.speed.timing import LEAST, MOST, SECONDS


def parser(module: str, description: str | None, cases: str, file: str) -> argparse.ArgumentParser:
    """Make the parser of a command.

    Args:
        module: What is run, such as ``benchmarks.speed.meta``.
        description: What it does.
        cases: What `--only` matches.
        file: Where results go by default, in ``benchmarks/results``.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--only", metavar="PATTERN", default="*", help=f"of '{cases}', with * and ?")
    made.add_argument(
        "--rounds", metavar="N", type=int, help="rounds of each case, at least 2; by default "
        f"{LEAST} to {MOST}, as many as take {SECONDS:g} seconds",
    )  # fmt: skip
    made.add_argument(
        "--out", metavar="FILE", default=str(RESULTS / file),
        help=f"where the JSON goes, benchmarks/results/{file} by default; - prints it",
    )  # fmt: skip
    made.add_argument(
        "--readme", action="store_true", help="put the table into benchmarks/README.md"
    )
    return made


def parsed(made: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of a command line; a wrong one ends the process with a message."""
    options = made.parse_args(argv)
    provenance()  # of the start
    if options.rounds is not None and options.rounds < 2:
        made.error(f"--rounds: must be at least 2, is {options.rounds}")
    return options

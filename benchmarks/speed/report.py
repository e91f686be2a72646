"""What a report takes, part by part, over one domain and over many.

    python -m benchmarks.speed.report [--cells 10000] [--domains 100 1] [--rounds 3] [--readme]

Folders of finished cells are written without any training (five methods, four numbers of shots,
20 episodes; seeds fill up), and `tlml.reports.report` and `print_report`, which end `tlml bench`,
are timed on them: seconds of CPU, one thread, after a report of a small folder, so that imports
are not counted. 10,000 cells are to take at most 20 s over 100 domains and 6 s over one.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from rich.console import Console

from benchmarks.output import README, RESULTS, command, fill, write
from benchmarks.provenance import provenance
from benchmarks.speed.report_folders import write_folder
from tlml.reports import print_report
from tlml.reports.write import report

MARK = "<!-- report table -->\n"
# What `report` calls, by what a reader of the table calls it.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "reading": ("read_results",),
    "statistics": ("summarise",),
    "plots": ("pictures",),
    "results.json": ("to_json",),
    "Markdown and LaTeX": ("to_markdown", "to_latex"),
    "HTML": ("to_html",),
}
_TERMINAL, _REST, _WHOLE = "terminal", "rest", "whole"
_WARM = 20  # cells of the report that comes before
Seconds = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.report", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--cells", type=int, default=10_000, help="adaptations of a folder")
    parser.add_argument(
        "--domains", type=int, nargs="+", default=[100, 1], help="a folder for each number"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each report is made")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    parser.add_argument("--out", default=str(RESULTS / "report_speed.json"), help="- for stdout")
    options = parser.parse_args(argv)
    provenance()  # of the start
    found = measured(options.cells, options.domains, options.rounds)
    table = markdown(found)
    write(_content(options.cells, found), table, options.out)
    if options.readme:
        fill(README, MARK, table)


def measured(cells: int, domains: Sequence[int], rounds: int) -> dict[int, list[Seconds]]:
    """Return the seconds of each part, a round each, by the number of domains."""
    folder = Path(tempfile.mkdtemp(prefix="report-"))
    try:
        write_folder(folder / "warm", _WARM, 1)
        _made(folder / "warm")
        for number in domains:
            write_folder(folder / str(number), cells, number)
        return {number: [_made(folder / str(number)) for _ in range(rounds)] for number in domains}
    finally:
        shutil.rmtree(folder)


def markdown(found: Mapping[int, Sequence[Seconds]]) -> str:
    """Return the table: medians of the parts, and the range of the whole."""
    heads = [f"{number} domain{'s' if number > 1 else ''}, s" for number in found]
    lines = [f"| part | {' | '.join(heads)} |", f"| --- |{' --: |' * len(heads)}"]
    for part in (*_PARTS, _TERMINAL, _REST, _WHOLE):
        cells = (_told([one[part] for one in rounds], part == _WHOLE) for rounds in found.values())
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _told(seconds: Sequence[float], spread: bool) -> str:
    middle = f"{median(seconds):.1f}"
    return f"{middle} ({min(seconds):.1f} to {max(seconds):.1f})" if spread else middle


def _made(folder: Path) -> Seconds:
    """Make a report and print it; return the seconds of CPU of each part."""
    spent = dict.fromkeys(_PARTS, 0.0)
    start = time.process_time()
    with ExitStack() as stack:
        for part, names in _PARTS.items():
            for name in names:
                stack.enter_context(_timed(name, part, spent))
        made = report(folder)
    written = time.process_time()
    print_report(made, Console(file=io.StringIO()))
    end = time.process_time()
    rest = written - start - sum(spent.values())
    return {**spent, _TERMINAL: end - written, _REST: rest, _WHOLE: end - start}


def _timed(name: str, part: str, spent: Seconds) -> Any:
    """Let a function that `report` calls add its seconds to a part."""
    call: Callable[..., Any] = report.__globals__[name]

    def timed(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        found = call(*given, **named)
        if isinstance(found, Iterator):  # what is yielded is made here, too
            found = list(found)
        spent[part] += time.process_time() - start
        return found

    return patch.dict(report.__globals__, {name: timed})


def _content(cells: int, found: Mapping[int, Sequence[Seconds]]) -> dict[str, Any]:
    return {
        "command": command("benchmarks.speed.report"),
        "load": round(os.getloadavg()[0], 1),
        "cells": cells,
        "cases": [
            {
                "domains": number,
                "rounds": len(rounds),
                "cpu_s": {part: _range([one[part] for one in rounds]) for part in rounds[0]},
            }
            for number, rounds in found.items()
        ],
    }


def _range(seconds: Sequence[float]) -> dict[str, float]:
    middle, least, most = median(seconds), min(seconds), max(seconds)
    return {"median": round(middle, 2), "least": round(least, 2), "most": round(most, 2)}


if __name__ == "__main__":
    main()

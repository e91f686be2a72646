"""``tlml bench`` and ``tlml report``: run a suite, and say what came out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tlml.cli.parser import Parser
from tlml.errors import TlmlError, check_positive
from tlml.files import make_folder
from tlml.registry.registry import default_registry
from tlml.suites.cells import AdaptCell, Cell, Plan, write_plan
from tlml.suites.execution.folder import to_forget
from tlml.suites.executors.table import LOCAL, find_executor
from tlml.suites.load import load_suite, shipped_suites
from tlml.suites.planner import plan
from tlml.suites.schema import MOST_SEEDS

_SUITE_HELP = "a YAML file, or the name of a suite that comes with tlml: {names}"
_EPILOG = """\
A suite says what is compared (methods) on what (domains), from which trainings (fits).
Everything is checked before anything runs. Each fit and each adaptation is a cell with a
folder of its own under DIR/cells; what is done is not run again, so a killed run goes on
where it stopped, and after a change to the suite only what changed is run. The same command
may run several times at once, on computers that share DIR: they share the cells, too.

  tlml bench quickstart                   run what comes with tlml, about five minutes
  tlml bench mine.yaml --dry-run          check it, and show what would run
  tlml bench mine.yaml --seeds 1          a first look
  tlml bench mine.yaml --only 'digits/*'  the cells of one domain
  tlml bench mine.yaml --rerun maml       one method anew, as after a change to its code
  tlml bench mine.yaml --oracle           what the best choice of tuned options would give
  tlml report runs/mine                   the tables again, from files alone

How to write one: docs/suites.md"""


def main(argv: Sequence[str]) -> int:
    """Run ``bench`` or ``report``, whichever `argv` starts with; 1 where a cell failed.

    Raises:
        TlmlError: The command line, the suite or the folder is wrong; nothing was run then.
    """
    return (bench if argv[0] == "bench" else show_report)(argv[1:])


def bench(argv: Sequence[str]) -> int:
    """Run ``tlml bench SUITE``."""
    options = _bench_parser().parse(argv)
    check_positive(jobs=options.jobs, seeds=options.seeds)
    if (options.seeds or 0) > MOST_SEEDS:
        raise TlmlError(f"seeds: must be at most {MOST_SEEDS}, is {options.seeds}")
    registry = default_registry()
    suite = load_suite(options.suite, registry)
    if options.seeds:
        suite = suite.model_copy(update={"seeds": tuple(range(options.seeds))})
    whole = plan(suite, registry, oracle=options.oracle)
    chosen = whole.only(options.only) if options.only else whole
    anew = _anew(whole, options)
    out = Path(options.out or Path("runs") / suite.name)
    if options.dry_run:
        return _show(chosen, out, anew, options)
    _check_folder(out, suite.name)
    find_executor(options.executor)
    return _run(whole, chosen, out, anew, options)


def show_report(argv: Sequence[str]) -> int:
    """Run ``tlml report DIR``."""
    parser = Parser("report", "Write tables, plots and one page from the files of a suite.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where tlml bench wrote to")
    parser.add_argument("--json", action="store_true", help="print results.json, not tables")
    options = parser.parse(argv)
    _report(options.folder, options.json)
    return 0


def shown(plan: Plan, out: Path, anew: Iterable[Cell] = ()) -> Iterator[str]:
    """Say in lines what a plan would run, some cells of it anew."""
    ids = {cell.id for cell in plan.fits} | {cell.id for cell in plan.adapts}
    done = {id for id in ids if (out / "cells" / id / "result.json").is_file()}
    again = len(done & {cell.id for cell in anew})
    more = f", {again} of these are run anew" if again else ""
    yield f"{plan.name}: {len(ids)} cells into {out}, {len(done)} of them done{more}"
    for domain, name in dict.fromkeys((cell.domain, cell.name) for cell in plan.fits):
        cells = [c for c in plan.fits if (c.domain, c.name) == (domain, name)]
        seeds = ", ".join(dict.fromkeys(str(cell.seed) for cell in cells))
        own = len({cell.episode for cell in cells} - {None})
        each = f", {len(cells)} in all: the target's {own} episodes have their own" if own else ""
        if cells[0].tried:
            each = f", {len(cells)} in all: each choice of {', '.join(cells[0].tried)} is made"
        yield f"  {domain}: fit {name} ({cells[0].config['learner']}), seeds {seeds}{each}"
    places = dict.fromkeys((cell.domain, cell.method, cell.protocol) for cell in plan.adapts)
    for place in places:
        mine = [c for c in plan.adapts if (c.domain, c.method, c.protocol) == place]
        yield f"  {place[0]}: method {place[1]}, {_extent(mine)}"
    for refusal in plan.refused:
        where = f" over {refusal.protocol}" if refusal.protocol else ""
        what = f"{refusal.kind} {refusal.name}"
        yield f"  {refusal.where}: {what} is not run{where}: {refusal.reason}"


def _extent(cells: Sequence[AdaptCell]) -> str:
    (axis,) = cells[0].point
    values = dict.fromkeys(str(cell.point[axis]).strip("[]") for cell in cells)
    seeds = dict.fromkeys(str(cell.seed) for cell in cells)
    episodes = cells[0].config.get("view", {}).get("episodes")
    each = f", {episodes} episodes each" if episodes else ""
    return f"{axis} {', '.join(values)}, seeds {', '.join(seeds)}{each}"


def _bench_parser() -> Parser:
    parser = Parser("bench", "Run a suite, or what is left of it, and report on it.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "suite", metavar="SUITE", help=_SUITE_HELP.format(names=", ".join(shipped_suites()))
    )
    parser.add_argument("--out", metavar="DIR", help="where to write (default: runs/NAME)")
    parser.add_argument(
        "--jobs", metavar="N", type=int, help="cells at a time (default: one per processor)"
    )
    parser.add_argument(
        "--executor", metavar="NAME", default=LOCAL,
        help="what runs the cells: local (processes of this computer, the default), or a plugin's",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", metavar="N", type=int, help="the seeds 0 to N-1 instead of the suite's"
    )
    parser.add_argument(
        "--only", metavar="PATTERN", action="append",
        help="run only these cells: DOMAIN, METHOD or DOMAIN/METHOD with * and ?; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--rerun", metavar="PATTERN", action="append",
        help="run these cells anew, their fits, and all that starts from these; may be repeated",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="run every cell anew")
    parser.add_argument(
        "--oracle", action="store_true",
        help="add to each tuned method one that chooses by the labels of the test, marked so: the "
        "bound of what choosing can do",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check, show the cells and what is left out, run nothing",
    )
    parser.add_argument(
        "--json", action="store_true", help="print results.json (the plan with --dry-run)"
    )
    return parser


def _anew(whole: Plan, options: argparse.Namespace) -> list[Cell]:
    fresh = (options.only or ["*"]) if options.fresh else []
    patterns = [*(options.rerun or []), *fresh]
    return to_forget(whole, patterns) if patterns else []


def _check_folder(out: Path, name: str) -> None:
    make_folder(out)
    try:
        other = json.loads((out / "plan.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none, or a damaged one, which is made anew
    if other != name:
        raise TlmlError(
            f"{out}: already holds the suite {other}; choose another folder for {name} with --out"
        )


def _show(chosen: Plan, out: Path, anew: Iterable[Cell], options: argparse.Namespace) -> int:
    from tlml.suites.run import preview

    checked, unread = preview(chosen, out, options.executor)
    plain = json.dumps(checked.as_dict(), indent=1) if options.json else ""
    print(plain or "\n".join(shown(checked, out, anew)))
    for domain, reason in unread.items():
        print(
            f"tlml: {domain}: whether all can be run is not known here: {reason}", file=sys.stderr
        )
    return 0


def _run(
    whole: Plan, chosen: Plan, out: Path, anew: Sequence[Cell], options: argparse.Namespace
) -> int:
    from tlml.suites.run import run_plan

    failed, refused = run_plan(chosen, out, options.jobs, options.executor, anew)
    # The report is on the whole suite, of which earlier runs may have done other parts.
    write_plan(whole.without(refused), out)
    _report(out, options.json)
    return 1 if failed else 0


def _report(folder: Path, as_json: bool) -> None:
    from tlml.reports.results_json import to_json
    from tlml.reports.terminal import print_report
    from tlml.reports.write import report

    made = report(folder)
    if as_json:
        print(to_json(made), end="")
        return
    print_report(made)
    print(f"written: {folder / 'report.html'}, report.md, report.tex, results.json and the plots")

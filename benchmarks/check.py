"""Which recorded figures hold: whether what a record measures has changed since.

    python -m benchmarks.check             a line for each record in results/
    python -m benchmarks.check --strict    exit status 1 where one is older than what it measures

A record tells the commits at which it was measured; where it tells none, it is as old as the commit
that brought it, or older. A newer commit to what it measures need not change a figure: it says that
nobody has looked. A record that no command makes, or that is missing, is exit status 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.provenance import CHANGED, ROOT, git

RECORDS = "benchmarks/results"
_AGENTS = ("plugins/tlml_rl", "tlml/learners", "tlml/data", "tlml/views")
_META = ("tlml/meta", "tlml/strategies", "plugins/tlml_maml", "tlml/learners")


class Source(NamedTuple):
    """What makes a record, and what it measures.

    Args:
        module: The command.
        measures: Files and folders.
    """

    module: str
    measures: tuple[str, ...]


SOURCES = {
    "agents.json": Source("benchmarks.rl", _AGENTS),
    "cheetah.json": Source("benchmarks.cheetah", _AGENTS),
    "continual.json": Source(
        "benchmarks.speed.continual", ("plugins/tlml_continual", "tlml/learners", "tlml/meta")
    ),
    "meta.json": Source("benchmarks.speed.meta", _META),
    "meta_rl.json": Source("benchmarks.meta_rl", (*_AGENTS, "tlml/meta")),
    "pixels.json": Source("benchmarks.rl", _AGENTS),
    "quickstart.json": Source(
        "benchmarks.quickstart",
        (
            "tlml/suites/shipped",
            "plugins/tlml_transfer",
            "plugins/tlml_maml",
            "plugins/tlml_vision",
        ),
    ),
    "replay_speed.json": Source("benchmarks.speed.replay", _AGENTS),
    "report_speed.json": Source(
        "benchmarks.speed.report",
        ("tlml/reports", "tlml/presentation", "tlml/metrics/intervals.py"),
    ),
    "rl_speed.json": Source("benchmarks.speed.rl", _AGENTS),
    "training.json": Source("benchmarks.speed.training", (*_META, "tlml/data", "tlml/views")),
    "transfer.json": Source("benchmarks.transfer.compare", ("plugins/tlml_transfer", "tlml/meta")),
}


class Found(NamedTuple):
    """What is known of a record.

    Args:
        record: Its file.
        commit: The oldest one at which it was measured.
        told: Whether the record tells it.
        newer: Commits since to what it measures.
        changed: What the newest of them changed, one file of it.
    """

    record: str
    commit: str
    told: bool
    newer: int
    changed: str


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="fail where a record is older")
    options = parser.parse_args(argv)
    wrong = list(unclaimed(ROOT))
    found = [looked_at(ROOT, name) for name in sorted(SOURCES) if not _lacks(ROOT, name)]
    print(table(found))
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong or (options.strict and any(one.newer for one in found)):
        raise SystemExit(1)


def unclaimed(root: Path) -> Iterator[str]:
    """Yield what is wrong: records that no command makes, and those that are missing."""
    there = {path.name for path in (root / RECORDS).glob("*.json")}
    for name in sorted(there - SOURCES.keys()):
        yield f"{RECORDS}/{name}: no command is known to make it; name one in benchmarks/check.py"
    for name in sorted(SOURCES.keys() - there):
        yield f"{RECORDS}/{name}: is missing; python -m {SOURCES[name].module} makes it"


def looked_at(root: Path, name: str) -> Found:
    """Return how old a record is beside what it measures."""
    path = f"{RECORDS}/{name}"
    content = json.loads((root / path).read_text(encoding="utf-8"))
    own = dict.fromkeys(one.removesuffix(CHANGED) for one in commits_in(content) if one)
    known = [one for one in own if _is_commit(root, one)]
    brought = git(root, "log", "-1", "--format=%h", "--", path).strip()
    oldest = min(known, key=lambda one: -len(_since(root, one, ())), default=brought)
    newer = _since(root, oldest, SOURCES[name].measures)
    changed = ""
    if newer:
        told = git(root, "show", "--name-only", "--format=", newer[0], "--",
                   *SOURCES[name].measures)  # fmt: skip
        changed = told.splitlines()[0]
    return Found(name, oldest, bool(known), len(newer), changed)


def commits_in(content: Any) -> Iterator[str]:
    """Yield the commits that a record tells, wherever in it."""
    if isinstance(content, dict):
        if isinstance(content.get("commit"), str):
            yield content["commit"]
        for value in content.values():
            yield from commits_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from commits_in(value)


def table(found: Sequence[Found]) -> str:
    """Return lines for people: the record, its commit, and what came since."""
    rows = [("record", "measured at", "commits since", "such as")]
    for one in found:
        at = one.commit if one.told else f"{one.commit} or before"
        rows.append((one.record, at, str(one.newer or "none"), one.changed))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _since(root: Path, commit: str, paths: Sequence[str]) -> list[str]:
    return git(root, "log", "--format=%h", f"{commit}..HEAD", "--", *paths).split()


def _is_commit(root: Path, name: str) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", name, "HEAD")
    except subprocess.CalledProcessError:
        return False
    return True


def _lacks(root: Path, name: str) -> bool:
    return not (root / RECORDS / name).is_file()


if __name__ == "__main__":
    main()

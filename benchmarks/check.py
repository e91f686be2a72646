"""Says which records of benchmarks are older than the code that they measure.

    python -m benchmarks.check              a row for each commit that a record has runs of
    python -m benchmarks.check --strict     fails for records that are older, or name no commit

It fails for records that no command claims, that are missing or can't be read, and whose commit is
not in the history. What is changed and not committed yet doesn't count as newer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.provenance import CHANGED, ROOT, git
from benchmarks.records import CLAIMS, Claim

HEADINGS = ("record", "runs", "commit", "commits since", "newest changed file", "made by")
RESULTS = "benchmarks/results"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of the runs of a record that one commit made.

    Args:
        claim: Whose record it is.
        runs: How many there are.
        commit: As recorded, with whether code differed from it; empty where none is.
        since: Commits since then that changed what is measured.
        newest: The file of it that was changed last.
    """

    claim: Claim
    runs: int
    commit: str
    since: int = 0
    newest: str = ""

    @property
    def holds(self) -> bool:
        """Whether what was measured is what is there."""
        return bool(self.commit) and not self.commit.endswith(CHANGED) and not self.since

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        shown = self.commit or "no commit recorded"
        since = str(self.since) if self.commit else ""
        return self.claim.record, str(self.runs), shown, since, self.newest, self.claim.command


def main(
    argv: Sequence[str] | None = None, root: Path = ROOT, claims: Sequence[Claim] = CLAIMS
) -> int:  # fmt: skip
    """Print the table and what is wrong; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="fail for older records, too")
    options = parser.parse_args(argv)
    rows, faults = look(root, claims)
    old = sum(not row.holds for row in rows)
    print(table(rows))
    print(f"\n{len(rows) - old} of {len(rows)} hold; {old} are older than their code or unknown")
    for fault in faults:
        print(f"error: {fault}")
    return int(bool(faults or (options.strict and old)))


def look(root: Path, claims: Sequence[Claim]) -> tuple[list[Row], list[str]]:
    """Return a row for each commit of each record, and what can't be attributed.

    Args:
        root: Of the checkout.
        claims: Which command makes each.
    """
    rows: list[Row] = []
    folder = root / RESULTS
    known = {claim.record for claim in claims}
    faults = [
        f"{path.name}: no command makes it; benchmarks/records.py names those that one does"
        for path in sorted(folder.glob("*.json"))
        if path.name not in known
    ]
    for claim in claims:
        try:
            content = json.loads((folder / claim.record).read_text())
            rows += rows_of(claim, content, root)
        except FileNotFoundError:
            faults.append(f"{claim.record}: is missing; {claim.command} makes it")
        except ValueError as error:
            faults.append(f"{claim.record}: {error}")
    return rows, faults


def rows_of(claim: Claim, content: Any, root: Path) -> Iterator[Row]:
    """Yield a row for each commit that runs of a record come from.

    Raises:
        ValueError: A commit is not in the history.
    """
    commits = [commit_of(run) for run in runs_of(content)] or [""]
    for commit in dict.fromkeys(commits):
        told = changes(commit, claim.measures, root) if commit else (0, "")
        yield Row(claim, commits.count(commit), commit, *told)


def runs_of(content: Any) -> list[Any]:
    """Return the runs or cases of a record: those of a list, of `cases`, or by name."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return []
    if "cases" in content:
        return [case if "commit" in case else content for case in content["cases"]]
    if {"command", "commit", "points"} & {*content}:
        return [content]
    return [run for part in content.values() if isinstance(part, dict) for run in runs_of(part)]


def commit_of(run: Any) -> str:
    """Return the commit that a run tells; empty where it tells none."""
    return str(run.get("commit") or "") if isinstance(run, dict) else ""


def changes(commit: str, measures: Sequence[str], root: Path) -> tuple[int, str]:
    """Return how many commits changed what is measured since, and the file changed last.

    Raises:
        ValueError: The commit is not in the history.
    """
    name = commit.removesuffix(CHANGED)
    try:
        git(root, "merge-base", "--is-ancestor", name, "HEAD")
        log = git(root, "log", "--format=%x00", "--name-only", f"{name}..HEAD", "--", *measures)
    except subprocess.CalledProcessError:
        raise ValueError(f"its commit {name} is not in the history of this checkout") from None
    files = [line for line in log.replace("\0", "").splitlines() if line]
    return log.count("\0"), files[0] if files else ""


def table(rows: Sequence[Row]) -> str:
    """Return the rows below their headings, in columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


if __name__ == "__main__":
    raise SystemExit(main())

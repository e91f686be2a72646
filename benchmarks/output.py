"""Where results of benchmarks go: a file of plain data, and a table in the README."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance

BENCHMARKS = Path(__file__).parent
RESULTS = BENCHMARKS / "results"
README = BENCHMARKS / "README.md"


def command(module: str) -> str:
    """Return the command that runs, without where things lie on this machine."""
    return " ".join(["python -m", module, *(_shown(argument) for argument in sys.argv[1:])])


def write(content: dict[str, Any], table: str, out: str) -> None:
    """Print the table and write the content to a file; for ``-``, print the content instead.

    The content also gets the commit, the processor, versions and the day, but what it tells itself.
    """
    made = provenance()
    versions = made["versions"] | content.get("versions", {})
    text = json.dumps({**made, **content, "versions": versions}, indent=1) + "\n"
    if out == "-":
        print(text, end="")
        return
    print(table)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(text)
    print(f"written: {os.path.relpath(out)}")


def fill(page: Path, mark: str, table: str) -> None:
    """Put a table behind a mark of a page; what follows the table there stays."""
    before, rest = page.read_text().split(mark)
    after = rest[rest.index("\n\n") + 1 :]
    page.write_text(before + mark + table + after)


def _shown(argument: str) -> str:
    return "PATH" if os.sep in argument else argument

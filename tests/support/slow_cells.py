"""A suite whose cells take a good part of a second, run by commands that are stopped on the way."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from commands import Command

from tlml.suites.execution.owners import Owner

SUITE: dict[str, Any] = {
    "name": "slow",
    "seeds": 2,
    "episodes": 20,
    "domains": {"sinusoid": {"shots": [5], "view": {"queries": 5}, "learner": {"network": "mlp"}}},
    "fits": {"pretrained": {"learner": "supervised", "view": {"batch_size": 8, "samples": 1200}}},
    "methods": {
        "scratch": {"strategy": "scratch", "options": {"steps": 20}},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 20}},
    },
    "trainer": {"max_epochs": 2},
}


def bench(folder: Path, jobs: int) -> Command:
    """Begin ``tlml bench`` on the suite, with a folder's ``out`` for the results."""
    (folder / "suite.yaml").write_text(yaml.safe_dump(SUITE))
    return Command(folder, "bench", "suite.yaml", "--out", "out", "--jobs", str(jobs))


def owners(out: Path) -> list[Owner]:
    """Return the processes that are at work on cells."""
    found = []
    for path in out.glob("work/*/claim"):
        with suppress(OSError):
            found.append(Owner.parse(path.read_text()))
    return [owner for owner in found if owner is not None]


def number_of_done(out: Path) -> int:
    return len(list(out.glob("cells/*/result.json")))


def tokens(out: Path) -> dict[str, str]:
    """Return by which attempt each cell was made."""
    paths = sorted(out.glob("cells/*/result.json"))
    return {path.parent.name: json.loads(path.read_text())["token"] for path in paths}

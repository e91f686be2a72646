"""Folders of results, as suites leave them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from tlml.presentation import Row
from tlml.reports import Report

Scores = list[float] | dict[int, float] | None  # by episode; None: nothing is there


Cells = dict[tuple[str, int, int, str], Scores]  # by domain, shots, seed and method


def id_of(cell: str) -> str:
    """Return the id of a cell that is told as ``domain-shots-seed-method`` or ``fit-domain-seed``.

    An id stays as it is.
    """
    if re.fullmatch("[0-9a-f]{16}", cell):
        return cell
    return hashlib.sha256(cell.encode()).hexdigest()[:16]


class Folder:
    """A suite's folder, written by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, cells: Cells, baseline: str = "scratch", **result: Any) -> Path:
        """Write a plan of `cells` and the results of those that have scores."""
        adapts = [
            {"id": id_of(f"{d}-{shots}-{seed}-{m}"), "domain": d, "shots": shots, "seed": seed,
             "method": m, "fits": [] if m == "scratch" else [id_of(f"fit-{d}-{seed}")]}
            for d, shots, seed, m in cells
        ]  # fmt: skip
        fits = {id: {"id": id, "name": "pre", "domain": c["domain"], "seed": c["seed"]}
                for c in adapts for id in c["fits"]}  # fmt: skip
        plan = {
            "name": "quick", "baseline": baseline, "fits": list(fits.values()), "adapts": adapts,
            "methods": list(dict.fromkeys(cell["method"] for cell in adapts)),
            "domains": list(dict.fromkeys(cell["domain"] for cell in adapts)), "refused": [],
        }  # fmt: skip
        (self.path / "plan.json").write_text(json.dumps(plan))
        for cell, scores in zip(adapts, cells.values(), strict=True):
            if scores is not None:
                self.result(cell, scores, **result)
        return self.path

    def result(self, cell: dict[str, Any], scores: Scores, **changes: Any) -> None:
        by_episode = scores if isinstance(scores, dict) else dict(enumerate(scores or []))
        content = {
            **cell, "kind": "adapt", "learner": "supervised", "strategy": "full",
            "metric": "accuracy", "higher_is_better": True, "batchnorm": "stored", "head": "new",
            "episodes": list(by_episode), "scores": list(by_episode.values()),
            "cost": {"fit_seconds": 10.0 + cell["seed"], "adapt_seconds": 2.0 * cell["seed"],
                     "gradient_steps": 50, "labels": 5},
            **changes,
        }  # fmt: skip
        self.put(cell["id"], "result.json", content)

    def put(self, id: str, name: str, content: Any) -> None:
        place = self.path / "cells" / id_of(id)
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def edit_plan(self, **changes: Any) -> None:
        path = self.path / "plan.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def row(made: Report, method: str, block: int = 0) -> Row:
    return next(row for row in made.blocks[block].rows if row.method == method)

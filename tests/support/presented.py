"""Small reports for tests of how they look."""

from __future__ import annotations

from typing import Any

from tlml.presentation import Block, Interval, Row
from tlml.reports import Report

COST = {"fit_seconds": 10.5, "adapt_seconds": 1.0, "gradient_steps": 50.0, "labels": 5.0}


def row(method: str, mean: float = 0.5, **more: Any) -> Row:
    """A row of one seed whose interval reaches .02 to both sides."""
    score = Interval(mean, mean - 0.02, mean + 0.02)
    return Row(method, 1, 1, **{"score": score, "interquartile_mean": mean, "cost": COST, **more})


def worse_row(method: str, mean: float = 0.4) -> Row:
    return row(method, mean, worse=True, difference=Interval(-0.1, -0.12, -0.08), notes=("worse",))


def block(*rows: Row, domain: str = "glyphs", shots: int = 5, metric: str = "accuracy") -> Block:
    return Block(domain, "episodes", {"shots": shots}, metric, metric == "accuracy", rows,
                 f"{shots} shot" if shots == 1 else f"{shots} shots")  # fmt: skip


def report(*blocks: Block, baseline: str = "scratch", **more: Any) -> Report:
    fields = {"name": "quick", "planned": 2, "done": 2, "failed": 0, "failures": (), **more}
    return Report(baseline=baseline, blocks=blocks, refused=(), scores=(), **fields)

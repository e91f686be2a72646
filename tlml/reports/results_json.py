"""A report as JSON, for whoever computes with it."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from tlml.presentation.rows import Block, Interval, Row
from tlml.reports.summary import Report

_DRAWS = "resampled"  # a thousand numbers for each unit stay in the cell's own result


def to_json(made: Report) -> str:
    """Return a report as JSON: ``summary`` by method, ``rows`` by finished cell.

    Infinity and NaN are null.
    """
    content = {
        "suite": made.name,
        "baseline": made.baseline,
        "planned": made.planned,
        "done": made.done,
        "failed": made.failed,
        "missing": made.missing,
        "failures": [asdict(failure) for failure in made.failures],
        "refused": [refusal.model_dump() for refusal in made.refused],
        "summary": [_summary(block, row) for block in made.blocks for row in block.rows],
        "rows": [{k: v for k, v in row.items() if k != _DRAWS} for row in made.scores],
    }
    # Ten times as fast as json, which indents in Python; NaN and infinity become null.
    text = TypeAdapter(dict[str, Any]).dump_json(content, indent=1).decode() + "\n"
    # JSON escapes other control characters by itself; some terminals obey these, too.
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _summary(block: Block, row: Row) -> dict[str, Any]:
    score, difference = row.score, row.difference
    return {
        "domain": block.domain,
        **(block.point if block.protocol == "episodes" else {}),
        "protocol": block.protocol,
        "point": dict(block.point),
        "method": row.method,
        "metric": block.metric,
        "higher_is_better": block.higher_is_better,
        "mean": score.mean if score else None,
        "interval": _ends(score),
        "interquartile_mean": row.interquartile_mean,
        "difference": difference.mean if difference else None,
        "difference_interval": _ends(difference),
        "worse": row.worse,
        "best": row.best,
        "units": row.units,
        "basis": block.basis,
        "about": block.about,
        "seeds": row.seeds,
        "planned_seeds": row.planned_seeds,
        "metrics": dict(row.metrics),
        "cost": row.cost,
        "notes": list(row.notes),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval and interval.known else None

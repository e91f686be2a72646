"""Small reports for tests of how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tlml.presentation import Block, Interval, Row
from tlml.reports import Report
from tlml.reports.scene import Picture, Scene
from tlml.suites.description import EPISODES, Description
from tlml.suites.results import Planned

PNG = b"\x89PNG\r\n\x1a\n"
STREAM = Description(
    axis="tasks", unit="tasks seen", one="task", many="tasks", paired="task of the stream",
    columns={"LA": "LA", "BTI": "BTI", "fit_seconds": "fit s", "steps": "steps"},
    pictures=("retention", "tasks", "against", "courses", "of a later version"),
)  # fmt: skip
PROTOCOLS = {"episodes": EPISODES, "stream": STREAM}
COST = {"fit_seconds": 10.5, "adapt_seconds": 1.0, "gradient_steps": 50.0, "labels": 5.0}


def row(method: str, mean: float = 0.5, **more: Any) -> Row:
    """A row of one seed whose interval reaches .02 to both sides."""
    score = Interval(mean, mean - 0.02, mean + 0.02)
    return Row(method, 1, 1, **{"score": score, "interquartile_mean": mean, "cost": COST, **more})


def worse_row(method: str, mean: float = 0.4) -> Row:
    return row(method, mean, worse=True, difference=Interval(-0.1, -0.12, -0.08), notes=("worse",))


def block(*rows: Row, domain: str = "glyphs", shots: int = 5, metric: str = "accuracy") -> Block:
    higher = metric == "accuracy"
    said = EPISODES.said(shots)
    return Block(domain, "episodes", {"shots": shots}, metric, higher, rows, said)


def stream_block(*rows: Row, domain: str = "glyphs", tasks: int = 2) -> Block:
    return Block(domain, "stream", {"tasks": tasks}, "accuracy", True, rows, STREAM.said(tasks))


def report(*blocks: Block, baseline: str = "scratch", **more: Any) -> Report:
    fields = {
        "name": "quick", "planned": 2, "done": 2, "failed": 0, "failures": (), "refused": (),
        "scores": (), "protocols": PROTOCOLS, **more,
    }  # fmt: skip
    return Report(baseline=baseline, blocks=blocks, **fields)


def score(method: str, mean: float, **more: Any) -> dict[str, Any]:
    """What a report holds of one record of episodes."""
    return {
        "domain": "d", "method": method, "protocol": "episodes", "point": {"shots": 1},
        "seed": 0, "fit": "pre", "strategy": "freeze", "options": {}, "chosen_by": None,
        "units": [0, 1], "scores": [mean, mean + 0.2], "metric": "accuracy",
        "effective_sample_size": None, **more,
    }  # fmt: skip


def stream_score(method: str, retained: Any, **more: Any) -> dict[str, Any]:
    """What a report holds of one record of a stream whose R is `retained`."""
    last = np.asarray(retained)[-1].tolist()
    return score(
        method, 0.0, **{"domain": "glyphs", "protocol": "stream", "point": {"tasks": len(last)},
        "units": [*range(len(last))], "scores": last, "R": retained, **more},
    )  # fmt: skip


def scene(made: Report, protocol: str = "stream", folder: Path = Path()) -> Scene:
    """The domain of `block`, to draw pictures of."""
    plan = Planned(
        name="quick", baseline="scratch", methods=[], domains=["glyphs"], fits=[], adapts=[],
        refused=[],
    )  # fmt: skip
    return Scene(made, plan, folder, "glyphs", protocol)


def picture(name: str = "glyphs", told: str = "scores", protocol: str = "episodes") -> Picture:
    return Picture(name, told, PNG, protocol)

"""A small suite of all that can be tuned, and its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tlml.registry import default_registry
from tlml.suites import Plan, load_suite, plan

SUITE: dict[str, Any] = {
    "name": "waves",
    "seeds": 2,
    "episodes": 4,
    "domains": {"sinusoid": {"shots": [5], "view": {"queries": 5}, "learner": {"network": "mlp"}}},
    "fits": {
        "pretrained": {"learner": "supervised", "view": {"batch_size": 8, "samples": 80}},
        "maml": {
            "learner": "maml",
            "strategy": "sgd",
            "strategy_options": {"lr": 0.01, "steps": 2},
            "view": {"shots": 5, "episodes": 40, "val_episodes": 4},
        },
    },
    "methods": {
        "scratch": {"strategy": "scratch", "options": {"steps": 2}},
        "full": {"fit": "pretrained", "strategy": "full", "options": {"steps": 2}},
        "tuned": {
            "fit": "pretrained",
            "strategy": "full",
            "options": {"steps": 2},
            "tune": {"lr": {"values": [10.0, 0.001]}},
        },
        "maml": {"fit": "maml"},
    },
    "trainer": {"max_epochs": 1},
}


def planned(folder: Path, **changes: Any) -> Plan:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump({**SUITE, **changes}))
    return plan(load_suite(path), default_registry())


def results(out: Path) -> dict[str, Any]:
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(out.glob("cells/*/result.json"))
    }


def scores(out: Path) -> dict[str, list[float]]:
    return {id: found["scores"] for id, found in results(out).items() if found["kind"] == "adapt"}

"""Folders of finished suites, written without any training, to make reports of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tlml.suites.results import CELLS, PLAN, RESULT

METHODS = ("scratch", "full", "probe", "lora", "maml")
SHOTS = (1, 5, 10, 20)
EPISODES = 20


def write_folder(folder: Path, cells: int, domains: int) -> None:
    """Write a plan and the results of adaptations, with the fits that they start from.

    Methods and shots are the same for all sizes; seeds fill up what is asked for.

    Args:
        folder: Where to.
        cells: How many adaptations at least.
        domains: What they are shared out over.
    """
    seeds = -(-cells // (domains * len(METHODS) * len(SHOTS)))
    names = [f"domain_{number:03d}" for number in range(domains)]
    ids = (f"{number:016x}" for number in range(2**60))
    fits = {place: next(ids) for place in product(names, range(seeds))}
    adapts = list(_adapts(fits, ids))
    plan = {
        "name": "synthetic", "baseline": METHODS[0], "methods": METHODS, "domains": names,
        "fits": [
            {"id": id, "name": "pretrained", "domain": name, "seed": seed}
            for (name, seed), id in fits.items()
        ],
        "adapts": adapts, "refused": [],
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / PLAN).write_text(json.dumps(plan))
    for id in fits.values():
        _put(folder, {"kind": "fit", "id": id})
    rng = np.random.default_rng(0)
    for cell in adapts:
        _put(folder, {**cell, **_measured(cell, rng)})


def _adapts(fits: dict[tuple[str, int], str], ids: Iterator[str]) -> Iterator[dict[str, Any]]:
    for ((domain, seed), fit), shots, method in product(fits.items(), SHOTS, METHODS):
        yield {
            "id": next(ids), "domain": domain, "protocol": "episodes", "point": {"shots": shots},
            "seed": seed, "method": method, "fits": [] if method == METHODS[0] else [fit],
        }  # fmt: skip


def _measured(cell: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a result with all that a suite's own cells say of episodes."""
    middle = 0.3 + 0.1 * METHODS.index(cell["method"]) + 0.01 * cell["point"]["shots"]
    episodes = list(range(EPISODES))
    return {
        "kind": "adapt", "versions": {"tlml": "0.1.0", "torch": "2.13.0+cpu"},
        "metric": "accuracy", "higher_is_better": True, "units": episodes, "episodes": episodes,
        "scores": rng.normal(middle, 0.1, EPISODES).clip(0, 1).tolist(),
        "losses": rng.exponential(1.0, EPISODES).tolist(),
        "cost": {
            "fit_seconds": 2.0 + cell["seed"], "adapt_seconds": 1.0, "gradient_steps": 20.0,
            "labels": 5.0 * cell["point"]["shots"],
        },
        "learner": "supervised", "strategy": cell["method"], "options": {"lr": 0.015, "steps": 20},
        "batchnorm": "stored", "transductive": False, "head": "kept", "chosen_by": None,
        "choices": 0, "effective_sample_size": None,
    }  # fmt: skip


def _put(folder: Path, content: dict[str, Any]) -> None:
    place = folder / CELLS / content["id"]
    place.mkdir(parents=True)
    (place / RESULT).write_text(json.dumps(content, indent=1) + "\n")

"""The benchmark of agents that adapt: what it measures, and the tables and the picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import meta_rl


def test_an_agent_is_adapted_by_the_best_step_size_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meta_rl, "GOALS", 4)
    monkeypatch.setattr(meta_rl, "CHOOSING", 3)
    monkeypatch.setattr(meta_rl, "DRAWN", 2)
    monkeypatch.setattr(meta_rl, "BUDGET", 1)
    monkeypatch.setattr(meta_rl, "TASKS", 2)
    runs = [meta_rl.run(method, 0) for method in meta_rl.METHODS]
    assert [run["env_steps"] > 0 for run in runs] == [True, True, True, False]
    for run in runs:
        assert run["rate"] in meta_rl.RATES
        assert len(run["returns"]) == 1 + meta_rl.STEPS and len(run["drawn"]) == meta_rl.STEPS
        assert len(run["paths"]) == 2 and run["paths"][0]["before"][0] == [0.0, 0.0]
    agent, _ = meta_rl.learned("random", 0)
    worth = {
        rate: float(meta_rl.adapted(agent, rate, "validation", 3, 1).returns[1].mean())
        for rate in meta_rl.RATES
    }
    assert worth[runs[-1]["rate"]] == max(worth.values())
    meta_rl.draw(runs, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_tables_have_means_intervals_and_paired_differences() -> None:
    def told(method: str, seed: int, after: float) -> dict[str, Any]:
        return {
            "method": method, "seed": seed, "rate": 0.1, "seconds": 2.0, "env_steps": 1000,
            "returns": [-20.0, after, -9.0, -8.0], "drawn": [-21.0, after - 1, -9.5],
        }  # fmt: skip

    runs = [told("maml_rl", seed, -6.0 - seed) for seed in range(3)]
    runs += [told("random", seed, -12.0 - 2 * seed) for seed in range(3)]
    table = meta_rl.table(runs)
    half = 4.302652729911275 * np.std([0, 1, 2], ddof=1) / 3**0.5  # Student's t of three
    assert f"| maml_rl | 3 | 0.1, 0.1, 0.1 | -20.0 ± 0.0 | -7.0 ± {half:.1f} |" in table
    assert f"13.0 ± {half:.1f}" in table and "1,000 | 2 |" in table
    assert meta_rl.differences(runs) == f"- less random: 7.0 ± {half:.1f}"

"""What learners of tables make of Taxi, FrozenLake and a maze, and after how many steps.

python -m benchmarks.tables [SEEDS]
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
import pytorch_lightning as pl

import tlml
from tlml.lightning_notes import quiet

WORLDS: dict[str, Any] = {
    "Taxi-v4": ("env_family", {"id": "Taxi-v4"}),
    "FrozenLake-v1": ("env_family", {"id": "FrozenLake-v1"}),
    "maze": ("gridworld", {}),
}
# World, learner and options.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("Taxi-v4", "value_iteration", {}),
    ("Taxi-v4", "policy_iteration", {}),
    ("Taxi-v4", "q_learning", {"max_env_steps": 200_000, "lr": 0.5}),
    ("Taxi-v4", "sarsa", {"max_env_steps": 300_000, "lr": 0.2, "epsilon_end": 0.0,
                          "epsilon_share": 0.8}),
    ("Taxi-v4", "monte_carlo", {"max_env_steps": 500_000, "epsilon_end": 0.02,
                                "epsilon_share": 0.8}),
    ("Taxi-v4", "dyna_q", {"max_env_steps": 30_000, "lr": 0.5}),
    ("FrozenLake-v1", "value_iteration", {}),
    ("FrozenLake-v1", "policy_iteration", {}),
    ("FrozenLake-v1", "q_learning", {"max_env_steps": 200_000, "lr": 0.05, "epsilon_end": 0.1}),
    ("FrozenLake-v1", "sarsa", {"max_env_steps": 200_000, "lr": 0.05, "epsilon_end": 0.01}),
    ("FrozenLake-v1", "monte_carlo", {"max_env_steps": 400_000, "lr": 0.01, "epsilon_share": 1.0}),
    ("FrozenLake-v1", "dyna_q", {"max_env_steps": 100_000, "lr": 0.05, "planning": 2}),
    ("maze", "value_iteration", {}),
    ("maze", "policy_iteration", {}),
    ("maze", "q_learning", {"max_env_steps": 20_000}),
    ("maze", "sarsa", {"max_env_steps": 20_000}),
    ("maze", "monte_carlo", {"max_env_steps": 20_000}),
    ("maze", "dyna_q", {"max_env_steps": 2_000, "block_steps": 20}),
]  # fmt: skip
EPISODES = 200


def fitted(world: str, name: str, options: dict[str, Any], seed: int) -> tuple[float, int, float]:
    """Return the mean return of fixed episodes, the steps taken and the CPU seconds of the fit."""
    domain, given = WORLDS[world]
    agent = tlml.learner(name, seed=seed, **options)
    view = agent.view(tlml.domain(domain, **given), envs=8, seed=seed)
    start = time.process_time()
    pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    ).fit(agent, view)  # fmt: skip
    seconds = time.process_time() - start
    played = agent.play(view.dataset("source", EPISODES)[0])
    return float(np.mean(played)), int(agent.env_steps), seconds


def main(seeds: int) -> None:
    """Print a row for each case: the mean over seeds, and the worst of them."""
    print("| world | learner | steps | return | worst seed | CPU s |")
    print("|---|---|--:|--:|--:|--:|")
    for world, name, options in CASES:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returns, steps, seconds = zip(
                *(fitted(world, name, options, seed) for seed in range(seeds)), strict=True
            )
        print(
            f"| {world} | `{name}` | {np.mean(steps):,.0f} | {np.mean(returns):.2f} | "
            f"{min(returns):.2f} | {np.mean(seconds):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)

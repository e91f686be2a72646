"""Small agents that adapt to tasks, and what a test of them records."""

from __future__ import annotations

from typing import Any

from trainers import quiet_trainer

from tlml import EnvView
from tlml_rl.maml_rl import MamlRl
from tlml_rl.worlds.navigation2d import Navigation2d

SMALL = {"network_options": {"hidden": [5]}, "horizon": 6, "seed": 2}


def maml(*, steps: int = 1, kind: Any = MamlRl, **options: Any) -> Any:
    """Make an agent that takes so many inner steps."""
    strategy = {"name": "sgd", "options": {"lr": 0.3, "steps": steps}}
    return kind(strategy=strategy, **{**SMALL, **options})


def judged(agent: Any, domain: Any = None, **options: Any) -> list[dict[str, Any]]:
    """Adapt an agent to four unseen tasks of walks in the plane, and return what was recorded."""
    view = EnvView(
        domain or Navigation2d(), envs=5, test_tasks=4, test_episodes=2, seed=9, **options
    )
    quiet_trainer().test(agent, view, verbose=False)
    found: list[dict[str, Any]] = agent.records
    return found

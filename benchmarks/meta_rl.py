"""What an initialisation is worth to an agent that gets a few episodes of a new task.

``python -m benchmarks.meta_rl`` learns walks to goals that are not seen (`navigation2d`) by
`maml_rl` in both orders and by `multitask_rl`, and adapts all of them, and a random initialisation,
to unseen goals by policy gradient steps. The size of a step is chosen for each method and seed on
validation tasks. ``python -m benchmarks.meta_rl --draw`` draws what was found.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

import tlml
from benchmarks.output import BENCHMARKS, RESULTS
from benchmarks.provenance import provenance
from benchmarks.rl import interval
from tlml.data import Trials
from tlml.meta import LoopPath
from tlml_rl.base.policy_problem import StackedPath

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "maml_rl": ("maml_rl", {}),
    "multitask_rl": ("multitask_rl", {}),
    "random": ("multitask_rl", {}),
    # At three times the rate, as if they had been trained for longer.
    "maml_rl, lr 0.003": ("maml_rl", {"lr": 3e-3}),
    "multitask_rl, lr 0.003": ("multitask_rl", {"lr": 3e-3}),
    "maml_rl, first order": ("maml_rl", {"first_order": True}),
}
PAIRS = (
    ("maml_rl", "multitask_rl"), ("maml_rl", "random"), ("maml_rl", "maml_rl, first order"),
    ("maml_rl, lr 0.003", "multitask_rl, lr 0.003"),
)  # fmt: skip
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # sizes of a step to choose from
GOALS, CHOOSING, STEPS = 100, 40, 3
EPISODES, TASKS, BUDGET = 10, 20, 2_000_000
DRAWN = 6  # goals in the picture
DRAWN_METHODS = ("maml_rl", "multitask_rl", "random")
IMAGE = BENCHMARKS.parent / "docs" / "images" / "navigation2d.png"


def quiet() -> pl.Trainer:
    """Return a Trainer that only computes."""
    return pl.Trainer(
        max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0, accelerator="cpu",
    )  # fmt: skip


def learned(method: str, seed: int) -> tuple[Any, float]:
    """Return an agent of a method, and the processor seconds that it took to learn."""
    name, options = METHODS[method]
    agent: Any = tlml.learner(name, max_env_steps=BUDGET, seed=seed, **options)
    view = agent.view(
        tlml.domain("navigation2d"), envs=EPISODES, tasks_per_batch=TASKS, tasks=TASKS * 10_000,
        vectorization="native", seed=seed,
    )  # fmt: skip
    start = time.process_time()
    if method != "random":
        quiet().fit(agent, view)
    return agent, time.process_time() - start


class Adapted(NamedTuple):
    """What agents did in some tasks before an adaptation, and after each of its steps.

    Args:
        returns: Without chance ``[1 + steps, tasks]``.
        drawn: Of the episodes that the steps were taken on, with chance: means ``[steps]``.
    """

    returns: NDArray[Any]
    drawn: list[float]


@torch.no_grad()
def adapted(agent: Any, rate: float, split: Any, tasks: int, steps: int) -> Adapted:
    """Adapt to all tasks at once, as a test does one by one."""
    view = tlml.EnvView(
        tlml.domain("navigation2d"), envs=EPISODES, test_tasks=tasks, tasks_per_batch=tasks,
        test_episodes=1, split=split, vectorization="native",
    )  # fmt: skip
    (own,) = view.test_dataloader()
    problem, trials = agent.problem(path=StackedPath(together=tasks)), Trials(own)
    problem.strategy.lr, problem.strategy.max_steps = rate, steps
    start = problem.start()
    found = [problem.judged(each, own) for each in (start, *problem.steps(start, trials))]
    returns = np.array([[total for ((total, _),) in each] for each in found])
    return Adapted(returns, [float(each.returns.mean()) for each in trials.taken])


def chosen(agent: Any) -> float:
    """Return the size of a step after one of which validation tasks go best."""

    def worth(rate: float) -> float:
        return float(adapted(agent, rate, "validation", CHOOSING, 1).returns[1].mean())

    return max(RATES, key=worth)


def run(method: str, seed: int) -> dict[str, Any]:
    """Learn, choose the size of a step, and adapt to unseen goals."""
    agent, seconds = learned(method, seed)
    rate = chosen(agent)
    found = adapted(agent, rate, "target", GOALS, STEPS)
    told: dict[str, Any] = {
        "method": method, "seed": seed, "rate": rate, "seconds": round(seconds, 1),
        "env_steps": int(agent.env_steps),
        "returns": [round(float(v), 3) for v in found.returns.mean(1)],
        "drawn": [round(v, 3) for v in found.drawn],
        **provenance(),
    }  # fmt: skip
    return told | ({"paths": paths(agent, rate)} if (method, seed) == ("maml_rl", 0) else {})


def paths(agent: Any, rate: float) -> list[dict[str, Any]]:
    """Return some goals with the ways to them before and after a step."""
    data = tlml.EnvView(tlml.domain("navigation2d"), envs=EPISODES, seed=2).dataset("target")
    problem = agent.problem(path=LoopPath())
    problem.strategy.lr, problem.strategy.max_steps = rate, 1
    found = []
    for index in range(DRAWN):
        own = data[index]
        with torch.no_grad():
            after = problem.adapt(problem.start(), Trials([own]))
            ways = [walk(agent, problem, params, own.task) for params in (problem.start(), after)]
        found.append({"goal": own.task.place, "before": ways[0], "after": ways[1]})
    return found


def walk(agent: Any, problem: Any, params: Any, task: Any) -> list[list[float]]:
    """Return the places of one episode without chance."""
    env = task.make(0)
    seen, over, places = env.reset()[0], False, [[0.0, 0.0]]
    while not over:
        outputs = problem.outputs(params, torch.from_numpy(seen)[None, None])[0].numpy()
        action = agent.performed(agent.policy.best(outputs))[0]
        seen, _, near, cut, _ = env.step(action)
        over = near or cut
        places.append([round(float(value), 4) for value in seen])
    return places


# What was found


def table(runs: Sequence[dict[str, Any]]) -> str:
    """Return a row for each method: means over seeds, with half their 95% intervals."""
    head = [
        "method", "seeds", "step sizes chosen", "before", "after 1 step", "after 2", "after 3",
        "gain of 1 step", "with chance: before, after 1 and 2", "steps", "CPU s",
    ]  # fmt: skip
    rows = [head, ["---", *["--:"] * (len(head) - 1)]]
    for method in METHODS:
        own = [one for one in runs if one["method"] == method]
        if not own:
            continue
        returns = np.array([one["returns"] for one in own])
        drawn = [one["drawn"] for one in own]
        rows.append([
            method, str(len(own)), ", ".join(f"{one['rate']:g}" for one in own),
            *(shown(column) for column in returns.T), shown(returns[:, 1] - returns[:, 0]),
            ", ".join(shown(np.array(column)) for column in zip(*drawn, strict=True)),
            f"{own[0]['env_steps']:,}", f"{statistics.mean(one['seconds'] for one in own):.0f}",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def differences(runs: Sequence[dict[str, Any]]) -> str:
    """Return by how much one method is better than another after one step, paired by seed."""
    by = {(one["method"], one["seed"]): one["returns"][1] for one in runs}
    lines = []
    for better, than in PAIRS:
        seeds = [s for name, s in by if name == than and (better, s) in by]
        gaps = np.array([by[better, seed] - by[than, seed] for seed in seeds])
        if len(gaps):
            lines.append(f"- {better} less {than}: {shown(gaps)}")
    return "\n".join(lines)


def shown(values: NDArray[Any]) -> str:
    """Return a mean with half its 95% interval."""
    mean, half = interval([float(value) for value in values])
    return f"{mean:.1f} ± {half:.1f}"


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw returns over steps, with intervals, and ways to goals before and after a step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    curves, before, after = figure.subplots(1, 3)
    for method in DRAWN_METHODS:
        own = np.array([one["returns"] for one in runs if one["method"] == method])
        found = [interval([float(v) for v in column]) for column in own.T]
        means, halves = zip(*found, strict=True)
        curves.errorbar(range(len(means)), means, halves, label=method, capsize=3, marker="o")
    curves.set(xlabel="policy gradient steps on 10 episodes", ylabel="return in unseen tasks")
    curves.set_xticks(range(STEPS + 1))
    curves.legend(fontsize=8)
    shown_paths = next(
        one["paths"] for one in runs if one["method"] == "maml_rl" and "paths" in one
    )
    told = {"before": "before: one policy for all goals", "after": "one step later"}
    for axes, when in ((before, "before"), (after, "after")):
        for number, one in enumerate(shown_paths):
            colour = f"C{number}"
            axes.plot(*np.array(one[when]).T, color=colour, marker=".", markersize=3)
            axes.plot(*one["goal"], color=colour, marker="*", markersize=14)
        axes.set(aspect="equal", title=f"maml_rl {told[when]}")
    after.sharex(before)
    after.sharey(before)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of results lacks, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "meta_rl.json")
    parser.add_argument("--draw", action="store_true", help="draw the picture of the docs")
    given = parser.parse_args(argv)
    provenance()  # of the start
    runs = json.loads(given.out.read_text()) if given.out.exists() else []
    torch.set_num_threads(1)
    known = {(one["method"], one["seed"]) for one in runs}
    for method, seed in product(METHODS, range(given.seeds)):
        if (method, seed) not in known:
            runs.append(run(method, seed))
            print({k: v for k, v in runs[-1].items() if k != "paths"}, flush=True)
            given.out.write_text(json.dumps(runs, indent=1) + "\n")
    print(table(runs), "\n", differences(runs), sep="\n")
    if given.draw:
        draw(runs, IMAGE)


if __name__ == "__main__":
    main()

"""What agents learn by the recipes that come with tlml: curves of evaluation returns, over seeds.

``python -m benchmarks.rl`` learns by all recipes; ``python -m benchmarks.rl ppo_cartpole --sb3``
does so beside Stable-Baselines3, with the same settings and in the same evaluation episodes. What
the file of results holds already is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl

import tlml
from benchmarks.output import RESULTS
from benchmarks.provenance import provenance
from tlml.learners.playing import play_through
from tlml.registry.recipes import recipe
from tlml.yaml_lines import load_located

PEER = "sb3"
JUDGING_SEED = 1_000_003  # evaluation episodes are the same for all seeds, and for both sides
SHOWN = 6  # points of a curve
IN_A_ROW = 3  # evaluations at the goal, after the first of which it counts as reached


class Plan(NamedTuple):
    """How a recipe is tried.

    Args:
        goal: The mean return to reach.
        every: Steps between evaluations.
        seeds: How many.
        until: Steps after which to stop, whatever the recipe says; None: as it says.
    """

    goal: float
    every: int
    seeds: int
    until: int | None = None


PLANS = {
    "ppo_cartpole": Plan(475, 1_024, 20, 25_000),
    "ppo_cartpole_quick": Plan(475, 1_024, 20),
    "dqn_cartpole": Plan(475, 2_048, 10),
    "sac_pendulum": Plan(-200, 2_000, 10),
    "td3_pendulum": Plan(-200, 2_000, 3),
    "sac_halfcheetah": Plan(4_000, 10_000, 2),
    "a2c_cartpole": Plan(475, 20_000, 5, 250_000),
    "reinforce_cartpole": Plan(475, 20_480, 5),
    "q_learning_taxi": Plan(7, 10_000, 5),
    "q_learning_frozenlake": Plan(0.7, 5_000, 5),
    "ppo_mountaincar_continuous": Plan(88, 4_096, 5),
    "ppo_doorkey": Plan(0.95, 5_120, 5),
    "ppo_acrobot": Plan(-100, 24_576, 3, 500_000),
    "ppo_lunarlander": Plan(200, 49_152, 3),
    "ppo_minigrid_rgb": Plan(0.95, 3_072, 3),
    "ppo_halfcheetah": Plan(4_000, 24_576, 5),
}


class Curve(pl.Callback):
    """Judges an agent each time so many steps have passed.

    Attributes:
        points: Steps and mean returns.
    """

    def __init__(self, plan: Plan, judge: Callable[[], float]) -> None:
        self.plan, self.judge = plan, judge
        self.points: list[tuple[int, float]] = []

    def tell(self, steps: int) -> bool:
        """Judge if it is time to; return whether learning is to go on."""
        if steps >= self.plan.every * (len(self.points) + 1):
            self.points.append((steps, round(self.judge(), 4)))
        return self.plan.until is None or steps < self.plan.until

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Ask whether it is time to."""
        agent: Any = pl_module
        if not self.tell(int(agent.env_steps)):
            trainer.should_stop = True


def learn(name: str, seed: int, plan: Plan) -> list[tuple[int, float]]:
    """Learn by a recipe and return the curve."""
    agent, view = _made(name, seed)
    (environments,) = next(iter(view.val_dataloader()))
    curve = Curve(plan, lambda: _mean(agent.played(environments)))
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        callbacks=[curve],
    )  # fmt: skip
    trainer.fit(agent, view)
    return curve.points


def learn_with_sb3(name: str, seed: int, plan: Plan) -> list[tuple[int, float]]:
    """Let Stable-Baselines3 learn with the settings of a recipe, and return the curve."""
    from stable_baselines3.common.callbacks import BaseCallback

    agent, view = _made(name, seed)
    (environments,) = next(iter(view.val_dataloader()))

    class Asking(BaseCallback):
        def _on_rollout_start(self) -> None:  # when what was collected has been learned from
            self.goes_on = self.num_timesteps == 0 or curve.tell(self.num_timesteps)

        def _on_step(self) -> bool:
            return self.goes_on

    peer = _PEERS[type(agent).__name__]
    model = peer(agent, lambda: environments.task.make(None), view.envs, seed)

    def act(seen: Any) -> Any:
        return model.predict(seen, deterministic=True)[0]

    curve = Curve(plan, lambda: _mean(play_through(act, environments.judging())))
    model.learn(agent.max_env_steps, callback=Asking())
    curve.tell(model.num_timesteps)
    return curve.points


def _ppo(agent: Any, make: Callable[[], Any], envs: int, seed: int) -> Any:
    """Make Stable-Baselines3's PPO with an agent's settings."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    return PPO(
        "MlpPolicy", make_vec_env(make, envs, seed=seed),
        n_steps=agent.rollout_steps, batch_size=agent.batch_size, n_epochs=agent.epochs,
        gamma=agent.gamma, gae_lambda=agent.gae_lambda,
        learning_rate=_falling(agent.lr, agent.lr_schedule),
        clip_range=_falling(agent.clip, agent.clip_schedule), ent_coef=agent.entropy,
        vf_coef=agent.value_weight, max_grad_norm=agent.clip_norm, seed=seed, device="cpu",
    )  # fmt: skip


def _dqn(agent: Any, make: Callable[[], Any], envs: int, seed: int) -> Any:
    """Make Stable-Baselines3's DQN with an agent's settings."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    return DQN(
        "MlpPolicy", make_vec_env(make, envs, seed=seed),
        learning_rate=_falling(agent.lr, agent.lr_schedule),
        buffer_size=agent.buffer_size, learning_starts=agent.learning_starts,
        batch_size=agent.batch_size, tau=agent.tau, gamma=agent.gamma,
        train_freq=agent.train_every, gradient_steps=agent.gradient_steps,
        target_update_interval=agent.target_every, exploration_fraction=agent.epsilon_share,
        exploration_initial_eps=agent.epsilon, exploration_final_eps=agent.epsilon_end,
        max_grad_norm=agent.clip_norm, policy_kwargs={"net_arch": [256, 256]}, seed=seed,
        device="cpu",
    )  # fmt: skip


def _sac(agent: Any, make: Callable[[], Any], envs: int, seed: int) -> Any:
    """Make Stable-Baselines3's SAC with an agent's settings."""
    from stable_baselines3 import SAC
    from stable_baselines3.common.env_util import make_vec_env

    return SAC(
        "MlpPolicy", make_vec_env(make, envs, seed=seed), learning_rate=agent.lr,
        buffer_size=agent.buffer_size, learning_starts=agent.learning_starts,
        batch_size=agent.batch_size, tau=agent.tau, gamma=agent.gamma,
        train_freq=agent.train_every, gradient_steps=agent.gradient_steps,
        policy_kwargs={"net_arch": [256, 256]}, seed=seed, device="cpu",
    )  # fmt: skip


def _falling(start: float, schedule: str) -> Callable[[float], float]:
    return lambda left: start * (left if schedule == "linear" else 1.0)


_PEERS = {"PPO": _ppo, "DQN": _dqn, "SAC": _sac}


def reached(points: list[tuple[int, float]], goal: float) -> int | None:
    """Return after how many steps as many evaluations in a row began to be at the goal."""
    good = [value >= goal for _, value in points]
    for first in range(len(points) - IN_A_ROW + 1):
        if all(good[first : first + IN_A_ROW]):
            return points[first][0]
    return None


def interval(values: list[float]) -> tuple[float, float]:
    """Return a mean, and half the width of its 95% interval by Student's t."""
    from scipy import stats

    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return float(np.mean(values)), float(half)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return what each recipe reached, as rows of a table."""
    lines = [
        "| recipe | goal | seeds | steps to it (median, most) | mean over all evaluations "
        "| last three evaluations | steps | s |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, runs in found.items():
        goal = PLANS[name.removesuffix(f" {PEER}")].goal
        curves = [run["points"] for run in runs.values()]
        steps = sorted(reached(points, goal) or 10**9 for points in curves)
        known = [one for one in steps if one < 10**9]
        middle = statistics.median_high(steps)
        told = f"{middle:,}, {max(known):,}" if middle < 10**9 else "not reached"
        if known and len(known) < len(steps):
            told += f" ({len(known)} of {len(steps)})"
        means = [[value for _, value in points] for points in curves]
        whole = interval([float(np.mean(one)) for one in means])
        end = interval([float(np.mean(one[-IN_A_ROW:])) for one in means])
        seconds = statistics.median(run["seconds"] for run in runs.values())
        lines.append(
            f"| {name} | {goal:g} | {len(runs)} | {told} | {_shown(whole)} | {_shown(end)} "
            f"| {curves[0][-1][0]:,} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def curves(found: dict[str, dict[str, Any]]) -> str:
    """Return means over seeds at some evaluations of each recipe, with their 95% intervals."""
    lines = [f"| recipe |{' steps: mean return |' * SHOWN}", f"| --- |{' --: |' * SHOWN}"]
    for name, runs in found.items():
        points = [run["points"] for run in runs.values()]
        length = min(map(len, points))
        places = np.linspace(length / SHOWN, length, SHOWN).round().astype(int) - 1
        cells = [
            f"{PLANS[name.removesuffix(f' {PEER}')].every * (place + 1):,}: "
            + _shown(interval([float(own[place][1]) for own in points]))
            for place in places
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield how far the mean over all evaluations is above the peer's, seed by seed."""
    for name, runs in found.items():
        beside = found.get(f"{name} {PEER}", {})
        both = [seed for seed in runs if seed in beside]
        if both:
            apart = [_whole(runs[seed]) - _whole(beside[seed]) for seed in both]
            mean, half = interval(apart)
            yield (
                f"{name}: {mean:+.1f} to Stable-Baselines3, 95% interval {mean - half:+.1f} to "
                f"{mean + half:+.1f}, {len(both)} seeds"
            )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="all where none is named")
    parser.add_argument("--seeds", type=int, help="how many; as planned for each recipe")
    parser.add_argument("--sb3", action="store_true", help="let Stable-Baselines3 learn too")
    parser.add_argument("--out", type=Path, default=RESULTS / "agents.json")
    options = parser.parse_args(argv)
    provenance()  # of the start
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.recipes or PLANS:
        recipe(name)
        for seed in range(options.seeds or PLANS[name].seeds):
            for side, how in [(name, learn)] + options.sb3 * [(f"{name} {PEER}", learn_with_sb3)]:
                if str(seed) in found.setdefault(side, {}):
                    continue
                since = time.process_time()
                points = how(name, seed, PLANS[name])
                seconds = round(time.process_time() - since, 1)
                found[side][str(seed)] = {"points": points, "seconds": seconds, **provenance()}
                print(f"{side} {seed}: {points[-1]}, {seconds} s", flush=True)
                options.out.write_text(json.dumps(found) + "\n")
    print(table(found), curves(found), *differences(found), sep="\n\n")


def _made(name: str, seed: int) -> tuple[Any, Any]:
    said: Any = load_located(recipe(name)).data
    model, data = dict(said["model"]), dict(said["data"])
    domain = data.pop("domain")
    domain = {"name": domain} if isinstance(domain, str) else dict(domain)
    agent: Any = tlml.learner(model.pop("name"), seed=seed, **model)
    world = tlml.domain(domain.pop("name"), **domain)
    return agent, agent.view(world, seed=seed, judging_seed=JUDGING_SEED, **data)


def _mean(played: Any) -> float:
    return float(np.mean([one.total for one in played]))


def _whole(run: dict[str, Any]) -> float:
    return float(np.mean([value for _, value in run["points"]]))


def _shown(told: tuple[float, float]) -> str:
    mean, half = told
    digits = 3 if abs(mean) < 2 else 1
    about = "" if math.isnan(half) else f" ± {half:.{digits}f}"  # there is one seed
    return f"{mean:.{digits}f}{about}"


if __name__ == "__main__":
    main()

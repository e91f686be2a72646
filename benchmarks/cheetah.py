"""A cheetah that learned to run, in a body of another mass: before it adapts, and after.

    python -m benchmarks.cheetah

learns by the recipe ppo_halfcheetah, once for each seed, goes on in bodies of half and twice the
mass, and learns these from scratch for as many steps beside. It writes returns after every so many
steps to benchmarks/results/cheetah.json, videos of the first seed to runs/cheetah, and frames of
these with all curves to docs/images/cheetah.png. Five seeds take a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import tlml
from benchmarks.output import RESULTS, command
from benchmarks.provenance import provenance
from benchmarks.rl import JUDGING_SEED, interval
from tlml.presentation.figure import BLUE, DARK, bare, entitle, new_figure, png, tidy
from tlml.registry.recipes import recipe
from tlml.yaml_lines import load_located

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "cheetah.png"
MASSES = (0.5, 2.0)
STEPS, EVERY = 200_000, 20_000  # in each body, and from one judgement to the next
EPISODES = 5  # of a judgement
WAYS = {"from the source policy": BLUE, "from scratch": DARK}
FRAMES, APART, LASTS = 7, 25, 200  # of a strip; steps between two of them; steps of a video
PART = (slice(200, 450), slice(90, 430))  # rows and columns of a frame that the cheetah is in


class Shown(NamedTuple):
    """What an agent does: frames ``[steps, height, width, 3]``, and where it is after each."""

    frames: NDArray[np.uint8]
    places: list[float]


class Curve(pl.Callback):
    """Judges an agent before it learns, and after every so many steps."""

    def __init__(self, environments: Any) -> None:
        self.environments = environments
        self.points: list[tuple[int, float]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge what it begins with."""
        self._judge(pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Judge where it is time to."""
        self._judge(pl_module)

    def _judge(self, agent: Any) -> None:
        steps = int(agent.env_steps)
        if steps >= EVERY * len(self.points):
            self.points.append((steps, round(float(np.mean(agent.play(self.environments))), 1)))


def learn_source(seed: int, path: Path) -> float:
    """Learn to run by the recipe, write the agent to a file, and return what it is worth."""
    agent, world = _agent(seed), tlml.domain("halfcheetah")
    view = agent.view(world, envs=8, seed=seed, judging_seed=JUDGING_SEED)
    trainer = _trainer()
    trainer.fit(agent, view)
    trainer.save_checkpoint(path)
    return float(np.mean(agent.play(view.dataset("validation", EPISODES)[0])))


def adapt(agent: Any, world: Any, number: int, seed: int) -> list[tuple[int, float]]:
    """Let an agent learn in a target body, and return its curve."""
    view = agent.view(
        world, envs=8, train_split="target", task=number, seed=seed, judging_seed=JUDGING_SEED
    )
    curve = Curve(view.dataset("target", EPISODES)[number])
    _trainer(curve).fit(agent, view)
    return curve.points


def show(agent: Any, task: Any) -> Shown:
    """Act in a body that is drawn."""
    env = task.make(JUDGING_SEED, render_mode="rgb_array")
    seen, _ = env.reset(seed=JUDGING_SEED)
    frames, places = [], []
    for _ in range(LASTS):
        frames.append(env.render())
        places.append(float(env.unwrapped.data.qpos[0]))
        seen, *_ = env.step(agent.act(seen[None])[0])
    env.close()
    return Shown(np.array(frames), places)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--videos", type=Path, default=Path("runs/cheetah"))
    options = parser.parse_args(argv)
    provenance()  # of the start
    os.environ.setdefault("MUJOCO_GL", "egl")  # before anything is drawn, where there is no screen
    world = tlml.domain("halfcheetah", target=[{"mass": mass} for mass in MASSES])
    curves: dict[str, Any] = {way: {mass: [] for mass in MASSES} for way in WAYS}
    shown: dict[float, dict[str, Shown]] = {}
    source, since = [], time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "source.ckpt")
        for seed in range(options.seeds):
            source.append(round(learn_source(seed, path), 1))
            for number, mass in enumerate(MASSES):
                adapted, new = tlml.load(str(path)), _agent(seed, STEPS)
                adapted.begin_anew(STEPS)
                before = show(adapted, world.tasks("target")[number]) if seed == 0 else None
                for way, agent in zip(WAYS, (adapted, new), strict=True):
                    curves[way][mass].append(adapt(agent, world, number, seed))
                    print(seed, mass, way, curves[way][mass][-1][:: STEPS // EVERY], flush=True)
                if before:
                    after = show(adapted, world.tasks("target")[number])
                    shown[mass] = {"at first": before, f"after {STEPS:,} steps": after}
    _write_videos(shown, options.videos)
    found = {"command": command("benchmarks.cheetah"), "source": source, "curves": curves,
             "seconds": round(time.process_time() - since), **provenance()}  # fmt: skip
    (RESULTS / "cheetah.json").write_text(json.dumps(found) + "\n")
    PICTURE.write_bytes(png(picture(shown, curves)))
    print(table(curves, source))


def picture(shown: dict[float, dict[str, Shown]], curves: dict[str, Any]) -> Figure:
    """Return frames before and after, and below them the curves."""
    figure = new_figure(9.0, 7.6)
    rows = figure.add_gridspec(2 * len(shown) + 1, 2, height_ratios=[1] * 2 * len(shown) + [2.4])
    row = 0
    for mass, moments in shown.items():
        for when, one in moments.items():
            axes = figure.add_subplot(rows[row, :])
            axes.imshow(strip(one))
            bare(axes)
            metres = one.places[-1] - one.places[0]
            entitle(axes, f"{mass:g} × the mass, {when}: {metres:.1f} m in 10 s", 3)
            row += 1
    for column, mass in enumerate(shown):
        draw_curves(figure.add_subplot(rows[row, column]), mass, curves)
    figure.subplots_adjust(hspace=0.3)
    return figure


def strip(one: Shown) -> NDArray[np.uint8]:
    """Return some frames side by side ``[height, width, 3]``."""
    chosen = one.frames[APART : APART * (FRAMES + 1) : APART]
    return np.concatenate([frame[PART] for frame in chosen], axis=1)


def draw_curves(axes: Axes, mass: float, curves: dict[str, Any]) -> None:
    """Draw means over seeds by steps in a body, with 95% intervals."""
    for way, colour in WAYS.items():
        runs = np.array([[value for _, value in run] for run in curves[way][mass]])
        means, halves = zip(*(interval(list(column)) for column in runs.T), strict=True)
        steps, middle, half = (
            np.arange(len(means)) * EVERY / 1000,
            np.array(means),
            np.array(halves),
        )
        axes.plot(steps, middle, color=colour, label=way)
        if len(runs) > 1:
            axes.fill_between(steps, middle - half, middle + half, color=colour, alpha=0.15, lw=0)
    entitle(axes, f"{mass:g} × the mass", 3)
    axes.set_xlabel("thousand steps in that body")
    axes.set_ylabel("return")
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)


def table(curves: dict[str, Any], source: list[float]) -> str:
    """Return means over seeds before, halfway and after, with 95% intervals."""
    places = [0, STEPS // EVERY // 2, STEPS // EVERY]
    cells = [f"{place * EVERY:,} steps" for place in places]
    lines = [f"| body | way | {' | '.join(cells)} |", f"| --- | --- |{' --: |' * len(cells)}"]
    for mass in MASSES:
        for way in WAYS:
            told = [interval([run[place][1] for run in curves[way][mass]]) for place in places]
            shown = " | ".join(f"{mean:,.0f} ± {half:,.0f}" for mean, half in told)
            lines.append(f"| {mass:g} × the mass | {way} | {shown} |")
    mean, half = interval(source)
    return "\n".join(
        [*lines, "", f"In its own body the source policy has {mean:,.0f} ± {half:,.0f}."]
    )


def _agent(seed: int, steps: int | None = None) -> Any:
    said: Any = load_located(recipe("ppo_halfcheetah")).data
    model = dict(said["model"])
    if steps:
        model["max_env_steps"] = steps
    return tlml.learner(model.pop("name"), seed=seed, **model)


def _trainer(*callbacks: pl.Callback) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        callbacks=[*callbacks],
    )  # fmt: skip


def _write_videos(shown: dict[float, dict[str, Shown]], folder: Path) -> None:
    from gymnasium.utils.save_video import save_video

    for mass, moments in shown.items():
        for name, one in zip(("before", "after"), moments.values(), strict=True):
            save_video(
                list(one.frames), str(folder), fps=20, name_prefix=f"mass-{mass:g}-{name}",
                episode_trigger=lambda number: True,
            )  # fmt: skip


if __name__ == "__main__":
    main()

"""Gradient directions of two tasks, from interference to alignment, in a real run.

    python -m benchmarks.directions

learns handwritten digits upright and then upside down, looks every few steps at the gradients of
the loss on all examples of both tasks, and draws three moments: the plane that both gradients span,
with the losses of both tasks around the weights of that moment, and below the cosine over the whole
run of each learner. It writes docs/images/directions.png in about a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import tlml
from tlml import Step
from tlml.networks import evaluating
from tlml.presentation.courses import running_mean
from tlml.presentation.figure import (
    BLUE,
    DARK,
    FRAME,
    GREEN,
    VERMILION,
    entitle,
    new_figure,
    png,
    tidy,
)
from tlml_continual.base.watch import cosine_between, gradient_on

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "directions.png"
ANGLES = (0.0, 180.0)
EPOCHS = 10  # of each task, so that the first is known when the second begins
EVERY = 5  # steps between two looks
LEARNERS: dict[str, dict[str, Any]] = {
    "naive": {"lr": 0.1},
    "er": {"lr": 0.1, "memory_size": 100},
    "lamaml": {"memory_size": 100, "glances": 1},
}
SHOWN = "er"  # whose moments are drawn
REACH = 1.6  # of the drawn plane, in lengths of an arrow
ARROW = 0.5  # length of an arrow in the space of weights
GRID = 31


@dataclass(frozen=True)
class Moment:
    """The weights at a step and both tasks' gradients there."""

    step: int
    weights: Tensor
    old: Tensor
    new: Tensor

    @property
    def cosine(self) -> float:
        """The cosine of the angle between both gradients."""
        found = cosine_between(self.old, self.new)
        return 0.0 if found is None else found


class Moments(pl.Callback):
    """Looks at both tasks' gradients every few steps."""

    def __init__(self, tasks: Sequence[Step]) -> None:
        self.tasks, self.found = tasks, list[Moment]()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        """Look, before the step."""
        if trainer.global_step % EVERY == 0:
            old, new = (gradient_on(pl_module, task) for task in self.tasks)
            weights = parameters_to_vector(pl_module.network.parameters()).detach().clone()
            self.found.append(Moment(trainer.global_step, weights, old, new))


def run(name: str, options: dict[str, Any]) -> tuple[Any, list[Moment], Sequence[Step]]:
    """Learn both tasks one after the other; return the learner, the moments, and the tasks."""
    domain = tlml.domain("rotated_digits", source=list(ANGLES), size=8)
    learner: Any = tlml.learner(name, network="mlp", network_options={"hidden": [50]}, **options)
    view = learner.view(domain, batch_size=10, epochs=EPOCHS)
    tasks = [
        Step(tlml.Batch(held.x, held.y), torch.full((len(held),), place))
        for place, (held, _) in enumerate(view.stream())
    ]
    moments = Moments(tasks)
    trainer = pl.Trainer(
        max_epochs=-1, num_sanity_val_steps=0, callbacks=[moments], logger=False,
        accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(learner, view)
    return learner, moments.found, tasks


def plane_of(moment: Moment) -> tuple[Tensor, Tensor]:
    """Return an orthonormal basis of the plane of both gradients, the old task's descent first."""
    across = -moment.old / moment.old.norm()
    rest = -moment.new - (across @ -moment.new) * across
    return across, rest / rest.norm()


def arrows(moment: Moment) -> dict[str, tuple[float, float]]:
    """Return where each task's descent and that of their sum point in the plane, as units."""
    across, up = plane_of(moment)
    found = {}
    directions = {"old": -moment.old, "new": -moment.new}
    directions["both"] = directions["old"] + directions["new"]
    for name, direction in directions.items():
        unit = direction / direction.norm()
        found[name] = (float(unit @ across), float(unit @ up))
    return found


def losses(learner: Any, moment: Moment, task: Step, places: NDArray[np.float64]) -> Any:
    """Return the loss on a task at ``places [n]`` times ``places [n]`` of the plane."""
    across, up = plane_of(moment)
    parameters = list(learner.network.parameters())
    found = np.empty((len(places), len(places)))
    with torch.no_grad(), evaluating(learner.network):
        for row, b in enumerate(places):
            for column, a in enumerate(places):
                vector_to_parameters(moment.weights + a * across + b * up, parameters)
                scores = learner.scores_of(task.batch.x)
                found[row, column] = learner.loss_of(scores, task.batch.y, task.task)
    return found


def chosen(moments: Sequence[Moment], from_step: int) -> Iterator[Moment]:
    """Return the moments of the second task that interfere most, are nearest 90°, align most."""
    later = [moment for moment in moments if moment.step >= from_step]
    yield min(later, key=lambda moment: moment.cosine)
    yield min(later, key=lambda moment: abs(moment.cosine))
    yield max(later, key=lambda moment: moment.cosine)


def draw_moment(axes: Axes, learner: Any, moment: Moment, tasks: Sequence[Step]) -> None:
    """Draw the losses of both tasks around the weights, and where their gradients point."""
    places = np.linspace(-REACH * ARROW, REACH * ARROW, GRID)
    for task, colour in zip(tasks, (BLUE, VERMILION), strict=True):
        values = losses(learner, moment, task, places)
        axes.contour(places, places, values, levels=9, colors=colour, linewidths=0.8, alpha=0.55)
    colours = {"old": BLUE, "new": VERMILION, "both": DARK}
    names = {"old": "old task", "new": "new task", "both": "the sum of both"}
    for name, (a, b) in arrows(moment).items():
        axes.annotate(
            "", xy=(a * ARROW, b * ARROW), xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": colours[name], "linewidth": 2.4,
                        "linestyle": ":" if name == "both" else "-"},
        )  # fmt: skip
        axes.plot([], [], color=colours[name], linewidth=2.4, label=f"descent of {names[name]}",
                  linestyle=":" if name == "both" else "-")  # fmt: skip
    axes.plot(0, 0, "o", color=DARK, markersize=4)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(FRAME)
    angle = np.degrees(np.arccos(np.clip(moment.cosine, -1, 1)))
    entitle(axes, f"step {moment.step}: {angle:.0f}°, cosine {moment.cosine:+.2f}")


def draw(out: Path) -> None:
    """Run all learners and draw the picture."""
    runs = {name: run(name, options) for name, options in LEARNERS.items()}
    learner, moments, tasks = runs[SHOWN]
    second = learner.trainer.global_step // 2
    figure = new_figure(10.0, 6.4, constrained=True)
    above, below = figure.subfigures(2, 1, height_ratios=[3, 2])
    panels = above.subplots(1, 3)
    for axes, moment in zip(panels, chosen(moments, second), strict=True):
        draw_moment(axes, learner, moment, tasks)
    handles, names = panels[0].get_legend_handles_labels()
    above.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    above.suptitle(
        f"{SHOWN}: descent and lines of equal loss of two tasks, from interference to alignment",
        x=0.01, ha="left", fontsize=11,
    )  # fmt: skip
    axes = below.subplots()
    axes.axhline(0.0, color=FRAME, linewidth=1.2)
    axes.axvline(second, color=FRAME, linewidth=0.8)
    for (name, (_, found, _)), colour in zip(runs.items(), (DARK, GREEN, BLUE), strict=False):
        steps, cosines = np.array([(m.step, m.cosine) for m in found]).T
        axes.plot(steps, cosines, color=colour, linewidth=0.8, alpha=0.25)
        axes.plot(steps, running_mean(cosines), color=colour, linewidth=1.8, label=name)
    axes.set_xlabel("steps; the line is where the second task begins")
    axes.set_ylabel("cosine")
    entitle(axes, "between the gradients of both tasks, over the run")
    tidy(axes, "y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    out.write_bytes(png(figure))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture is written")
    out = parser.parse_args().out
    draw(out)
    print(f"written: {out}")

"""MAML on sine waves from draw to optimiser: tlml in Lightning's Trainer, and learn2learn's loop.

What a user waits for: episodes are drawn, the outer step is taken, an optimiser steps, and the
Trainer does what it does between. learn2learn's side is the loop of its examples, with draws as one
writes them in torch. Each round has both run some outer steps in turn, in one process and one
thread, by CPU time; ratios are taken within each round, and the start of each training is left out.
Then both are trained for as many steps and adapted to the same unseen waves.

    python -m benchmarks.speed.training --learn2learn PATH
    python -m benchmarks.speed.training --learn2learn PATH --rounds 20 --only compile
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from benchmarks.command_line import parsed, parser
from benchmarks.output import README, command, fill, write
from benchmarks.speed.peer import learn2learn_maml
from benchmarks.speed.sides import LEARN2LEARN
from benchmarks.speed.timing import Ratio, Time, faster
from tlml.lightning_notes import quiet

MARK = "<!-- training table -->\n"
SIDES: Mapping[str, dict[str, Any]] = {
    "auto": {}, "fused": {"fused": True}, "compile": {"compile": True, "fused": True},
}  # fmt: skip
TASKS, SHOTS, QUERIES, HIDDEN = 25, 10, 10, (40, 40)
INNER_LR, OUTER_LR = 0.01, 1e-3
WARM, STEPS = 20, 200  # outer steps of a round, the first of which are left out
LENGTH, UNSEEN = 1_000, 500  # outer steps of a whole training, and waves that judge it
SEEDS = range(6)  # of the draws of whole trainings
ROUNDS = 8


@dataclass(frozen=True)
class Measured:
    """A side against the peer.

    Args:
        side: Its name.
        rounds: How many there were.
        ms: Of an outer step with all that belongs to it, ours and theirs.
        ratio: How many times faster.
        mse: After one inner step on unseen waves, ours and theirs, trained for as many steps from
            the same weights; by draws.
    """

    side: str
    rounds: int
    ms: tuple[float, float]
    ratio: Ratio
    mse: tuple[Reached, Reached]


class Reached(NamedTuple):
    """A mean over draws, and its standard error."""

    mean: float
    error: float


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = _options(argv)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    peer = learn2learn_maml(options.learn2learn)
    chosen = {name: own for name, own in SIDES.items() if fnmatchcase(name, options.only)}
    if not chosen:
        raise SystemExit(f"--only: '{options.only}' matches none of {', '.join(SIDES)}")
    with quiet():
        found = measure(chosen, peer, options.rounds or ROUNDS)
    content = {
        "command": command("benchmarks.speed.training"),
        "cases": [asdict(one) for one in found],
    }
    table = markdown(found)
    write(content, table, options.out)
    if options.readme:
        fill(README, MARK, table)


def measure(
    chosen: Mapping[str, dict[str, Any]], peer: Any, rounds: int, length: int = LENGTH
) -> list[Measured]:
    """Let the sides run in turn, and train each once.

    Args:
        chosen: Options of our learner, by the name of the side.
        peer: learn2learn's `MAML`.
        rounds: How often each runs.
        length: Outer steps of a whole training.
    """
    runs: dict[str, Callable[..., Spent]] = {LEARN2LEARN: functools.partial(theirs, peer)}
    runs |= {name: functools.partial(ours, own) for name, own in chosen.items()}
    times: dict[str, list[Time]] = {name: [] for name in runs}
    names = list(runs)
    for place in range(rounds):
        first = place % len(names)
        for name in names[first:] + names[:first]:
            spent = runs[name](WARM + STEPS)
            times[name].append(Time(spent.ms, spent.ms))
    reached = {name: _reached([run(length, s).mse() for s in SEEDS]) for name, run in runs.items()}
    return [
        Measured(
            name, rounds, (_typical(times[name]), _typical(times[LEARN2LEARN])),
            faster(times[name], times[LEARN2LEARN]), (reached[name], reached[LEARN2LEARN]),
        )
        for name in chosen
    ]  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """A training.

    Args:
        ms: Of CPU, an outer step; the mean after the first ones.
        network: What was trained.
    """

    ms: float
    network: nn.Module

    def mse(self) -> float:
        """Return the mean squared error on unseen waves, after one inner step on each."""
        episodes = tlml.EpisodeView(
            tlml.domain("sinusoid"), shots=SHOTS, queries=100, episodes=UNSEEN,
            tasks_per_batch=UNSEEN, seed=1,
        )  # fmt: skip
        (sx, sy), (qx, qy) = next(iter(episodes.test_dataloader()))
        found = []
        for task in range(UNSEEN):
            params = dict(self.network.named_parameters())

            def loss(params: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
                return F.mse_loss(torch.func.functional_call(self.network, params, (x,)), y)

            slopes = torch.autograd.grad(loss(params, sx[task], sy[task]), list(params.values()))
            pairs = zip(params.items(), slopes, strict=True)
            moved = {name: (value - INNER_LR * slope).detach() for (name, value), slope in pairs}
            found.append(float(loss(moved, qx[task], qy[task])))
        return sum(found) / UNSEEN


class _Clock(pl.Callback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Note the time."""
        self.times.append(time.process_time())


def ours(options: Mapping[str, Any], steps: int, seed: int = 0) -> Spent:
    """Train by `Trainer.fit`."""
    learner = tlml.learner(
        "maml", network=_network(), lr=OUTER_LR,
        strategy=tlml.strategy("sgd", lr=INNER_LR, steps=1), **options,
    )  # fmt: skip
    view = learner.view(
        tlml.domain("sinusoid"), shots=SHOTS, queries=QUERIES, tasks_per_batch=TASKS,
        episodes=TASKS * steps, seed=seed,
    )  # fmt: skip
    clock = _Clock()
    trainer = pl.Trainer(
        max_epochs=1, num_sanity_val_steps=0, limit_val_batches=0, accelerator="cpu", devices=1,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[clock],
    )  # fmt: skip
    trainer.fit(learner, view)
    times = clock.times[WARM:]
    network = learner.network
    assert isinstance(network, nn.Module)
    return Spent(1000 * (times[-1] - times[0]) / (len(times) - 1), network)


def theirs(peer: Any, steps: int, seed: int = 0) -> Spent:
    """Train by learn2learn's loop."""
    maml = peer(_network(), lr=INNER_LR)
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(maml.parameters(), OUTER_LR)
    start = time.process_time()
    for step in range(steps):
        if step == WARM:
            start = time.process_time()
        optimizer.zero_grad()
        for _ in range(TASKS):
            x, y = _wave()
            clone = maml.clone()
            clone.adapt(F.mse_loss(clone(x[:SHOTS]), y[:SHOTS]))
            loss = F.mse_loss(clone(x[SHOTS:]), y[SHOTS:]) / TASKS
            torch.autograd.backward(loss)
        optimizer.step()
    spent = time.process_time() - start
    return Spent(1000 * spent / (steps - WARM), maml.module)


def _network() -> nn.Module:
    """Return a perceptron, always with the same weights."""
    torch.manual_seed(0)
    layers = [
        layer
        for inputs, units in itertools.pairwise((1, *HIDDEN))
        for layer in (nn.Linear(inputs, units), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], 1))


def _wave() -> tuple[Tensor, Tensor]:
    amplitude, phase = 0.1 + 4.9 * torch.rand(1), math.pi * torch.rand(1)
    x = 10 * torch.rand(SHOTS + QUERIES, 1) - 5
    return x, amplitude * torch.sin(x - phase)


def markdown(found: Sequence[Measured]) -> str:
    """Return the table."""
    lines = [
        "| tlml | ms | learn2learn ms | times as fast | mse | learn2learn's mse |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for one in found:
        low, high = one.ratio.quartiles
        lines.append(
            f"| {one.side} | {one.ms[0]:.2f} | {one.ms[1]:.1f} | {one.ratio.median:.2f} "
            f"({low:.2f} to {high:.2f}) | {_said(one.mse[0])} | {_said(one.mse[1])} |"
        )
    return "\n".join(lines) + "\n"


def _said(reached: Reached) -> str:
    return f"{reached.mean:.2f} ± {reached.error:.2f}"


def _reached(errors: Sequence[float]) -> Reached:
    return Reached(round(mean(errors), 3), round(stdev(errors) / len(errors) ** 0.5, 3))


def _typical(times: Sequence[Time]) -> float:
    return round(median(one.cpu_ms for one in times), 3)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("benchmarks.speed.training", __doc__, "side", "training.json")
    made.add_argument(
        "--learn2learn", metavar="PATH", required=True, help="a checkout of learn2learn"
    )
    return parsed(made, argv)


if __name__ == "__main__":
    main()

"""What a Trainer adds to a batch of a stream, and whether late batches cost more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from gymnasium.spaces import Box, Discrete

import tlml
from tlml import Domain, Examples, Step, StreamView
from tlml.data import Part, Split

TRAINER = "Trainer: cost"
TASKS, SAMPLES, BATCH = 50, 2200, 10  # 11,000 batches
AROUND = 400  # batches of which medians are taken
SIZE, CLASSES = 20, 10


@dataclass(frozen=True)
class TrainerCost:
    """Of a batch, in milliseconds of CPU.

    Args:
        bare_ms: In a loop over the same batches.
        trainer_ms: In a Trainer.
        late: The 10,000th batch against the 100th; medians of `AROUND` from each on.
        last_task: Task 50 against task 2.
    """

    bare_ms: float
    trainer_ms: float
    late: float
    last_task: float

    def text(self) -> str:
        """Return it in a sentence."""
        return (
            f"A Trainer takes {self.trainer_ms:.2f} ms a batch, a bare loop {self.bare_ms:.2f} ms: "
            f"{self.trainer_ms - self.bare_ms:.2f} ms more. The 10,000th batch takes "
            f"{self.late:.2f} of the 100th, task {TASKS} {self.last_task:.2f} of task 2."
        )


@dataclass(frozen=True)
class _Noise:
    name: str
    number: int

    def split(self, part: Part) -> Examples:
        """Return random rows."""
        rng = np.random.default_rng([self.number, part == "train"])
        n = SAMPLES if part == "train" else 10
        x = torch.from_numpy(rng.random((n, SIZE), dtype=np.float32))
        return Examples(x, torch.from_numpy(rng.integers(CLASSES, size=n)))


class _Stream(Domain[_Noise]):
    """Tasks of random rows: a batch costs little, so that what is beside it shows."""

    def __init__(self, tasks: int) -> None:
        self.number = tasks
        self.x, self.y = Box(0.0, 1.0, (SIZE,)), Discrete(CLASSES)

    def tasks(self, split: Split) -> Sequence[_Noise]:
        """Return the tasks."""
        return [_Noise(f"task {number}", number) for number in range(self.number)]


class _Clock(pl.Callback):
    """Notes the CPU time before each batch, and at the end of each epoch."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.epochs: list[tuple[int, float]] = []
        self.batches: list[Step] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Step, *_: Any) -> None:
        """Note the time."""
        self.times.append(time.process_time())
        if len(self.batches) < 500:
            self.batches.append(batch)


def trainer_cost(tasks: int = TASKS) -> TrainerCost:
    """Time a long stream in a Trainer, and its first batches in a loop."""
    clock, learner = _Clock(), _learner()
    view = learner.view(_Stream(tasks), batch_size=BATCH)
    assert isinstance(view, StreamView)
    trainer = pl.Trainer(
        max_epochs=-1, num_sanity_val_steps=0, limit_val_batches=0, accelerator="cpu", devices=1,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[clock],
    )  # fmt: skip
    trainer.fit(learner, view)
    spent = np.diff(clock.times) * 1000
    each = SAMPLES // BATCH
    per_task = [float(np.median(spent[t * each : (t + 1) * each - 1])) for t in range(tasks)]
    late = min(10_000, len(spent) - 10)
    around = {place: float(np.median(spent[place : place + AROUND])) for place in (100, late)}
    return TrainerCost(
        round(_bare(clock.batches), 3), round(float(np.median(spent[50:500])), 3),
        round(around[late] / around[100], 3), round(per_task[-1] / per_task[1], 3),
    )  # fmt: skip


def _learner() -> Any:
    return tlml.learner(
        "lamaml", network="mlp", network_options={"hidden": [20]}, glances=1, memory_size=200
    )


def _bare(batches: Sequence[Step]) -> float:
    learner = _learner()
    learner.view(_Stream(2), batch_size=BATCH)
    times = []
    for batch in batches:
        before = time.process_time()
        learner.observe(batch)
        times.append(time.process_time() - before)
    return 1000 * median(times[50:])

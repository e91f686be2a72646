"""The share of a running cell that is done, as a Trainer tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from tlml.learners.acting import Acting

Report = Callable[[float], None]  # takes the share of a cell that is done


def part_of(report: Report, number: int, of: int) -> Report:
    """Return what reports the shares of one part out of some of equal length."""
    return lambda share: report((number + share) / of)


class ShareReporter(pl.Callback):
    """Reports the share of a fit or a test that is done."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Report a fit's share, by its optimiser steps, or an agent's in its environments."""
        total, done = trainer.estimated_stepping_batches, trainer.global_step
        if isinstance(learner := trainer.lightning_module, Acting):
            total, done = learner.max_env_steps, int(learner.env_steps)
        self.report(min(done / total, 1.0) if total > 0 else 0.0)

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Report a test's share, by its episodes."""
        self.report((batch_idx + 1) / max(trainer.num_test_batches[0], 1))

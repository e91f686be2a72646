"""What a learner retains of a stream: the accuracy on every task after each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from tlml.data.tasks import Step
from tlml.errors import TlmlError
from tlml.metrics.streams import (
    backward_transfer,
    backward_transfer_and_interference,
    forward_transfer,
    learning_accuracy,
    retained_accuracy,
)

METRICS = ("accuracy", "mse")


class Retention(pl.Callback):
    """Keeps R[t, j], the accuracy on task j after task t, from the validations of a `StreamView`.

    The row before training comes from the sanity check: ``Trainer(num_sanity_val_steps=-1)``.
    Where targets are values R holds the mean squared error instead, of which less is better.
    Checkpoints hold all rows, so a resumed stream has them too; loggers get `summary` in the end.
    """

    def __init__(self) -> None:
        self.metric = ""
        self.before: list[float] = []
        self.rows: list[list[float]] = []
        self._sums: Tensor | None = None

    @property
    def matrix(self) -> NDArray[np.float64]:
        """R ``[t, T]`` after t of T tasks."""
        return np.array(self.rows, dtype=np.float64)

    def summary(self) -> dict[str, float]:
        """Return RA, LA and, from the second task on, BTI, BWT and FWT, over the tasks so far.

        RA is the mean on all tasks after the last, LA that on each task just after it was
        learned; FWT needs the row before training.

        Raises:
            TlmlError: No task has been learned.
        """
        learned = len(self.rows)
        if not learned:
            raise TlmlError("retention: no task has been learned yet; fit on a StreamView first")
        square = self.matrix[:, :learned]
        found = {"RA": retained_accuracy(square), "LA": learning_accuracy(square)}
        if learned > 1:
            found["BTI"] = backward_transfer_and_interference(square)
            found["BWT"] = backward_transfer(square)
        if learned > 1 and self.before:
            found["FWT"] = forward_transfer(square, self.before[:learned])
        return found

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a row: sums over the examples of each task, and their numbers."""
        self._sums = torch.zeros(2, len(list(trainer.num_val_batches)), device=pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch to the task that it is of."""
        found = [name for name in METRICS if isinstance(outputs, Mapping) and name in outputs]
        if self._sums is None or not isinstance(batch, Step) or not found:
            return
        self.metric, count = found[0], len(batch.task)
        self._sums[0, dataloader_idx] += outputs[self.metric] * count
        self._sums[1, dataloader_idx] += count

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row down: before training, or after the task that the epoch was."""
        if self._sums is None or trainer.state.fn != TrainerFn.FITTING:
            return
        total, count = trainer.strategy.reduce(self._sums, reduce_op="sum")
        if not bool((count > 0).all()):
            return  # no stream
        row = (total / count).tolist()
        if trainer.sanity_checking:
            # A sanity check of a few batches is no measurement.
            whole = trainer.num_sanity_val_batches == trainer.num_val_batches
            self.before = row if whole else []
        else:
            self._fill(trainer.current_epoch, len(row))
            self.rows = [*self.rows[: trainer.current_epoch], row]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the loggers the summary."""
        if self.rows:
            for logger in trainer.loggers:
                logger.log_metrics(self.summary(), step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return all rows as plain data."""
        return {"metric": self.metric, "before": self.before, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self.metric, self.before = state_dict["metric"], list(state_dict["before"])
        self.rows = [list(row) for row in state_dict["rows"]]

    def _fill(self, learned: int, tasks: int) -> None:
        """Note tasks that were learned and not measured, as NaN."""
        if len(self.rows) < learned:
            rank_zero_warn(
                f"retention: task {len(self.rows)} was not measured when it ended, its row is NaN; "
                "validate after each task (Trainer: check_val_every_n_epoch=1), and save "
                "checkpoints after validations"
            )
        missing = learned - len(self.rows)
        self.rows = [*self.rows, *([float("nan")] * tasks for _ in range(missing))]

"""What a learner retains of a stream: the accuracy on every task after each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from tlml.data.tasks import Step
from tlml.errors import TlmlError
from tlml.learners.consolidation import stream_of
from tlml.metrics.streams import (
    average_incremental_accuracy,
    backward_transfer,
    backward_transfer_and_interference,
    forgetting,
    forward_transfer,
    learning_accuracy,
    retained_accuracy,
)
from tlml.metrics.targets import primary

_STATE = ("metric", "higher_is_better", "joint", "before", "rows")


class Retention(pl.Callback):
    """Keeps R[t, j], the accuracy on task j after task t, from the validations of a `StreamView`.

    Learners bring it to a stream by themselves; ``Retention.of(trainer)`` finds it. The row before
    training comes from the sanity check: ``Trainer(num_sanity_val_steps=-1)``. Where targets are
    values R holds the mean squared error instead, of which less is better, and where a domain has
    a metric of its own, that: the mean over batches, by their examples. Checkpoints hold all rows,
    so a resumed stream has them too; loggers get `summary` in the end, and those that take tables,
    such as W&B, all of R as ``R``.

    Attributes:
        metric: What R holds, such as ``accuracy``; empty before the first validation.
        higher_is_better: Its direction.
        before: The row before training ``[T]``; empty without a whole sanity check.
        rows: The rows of R.
    """

    def __init__(self) -> None:
        self.metric, self.higher_is_better, self.joint = "", True, False
        self.before: list[float] = []
        self.rows: list[list[float]] = []
        self._sums: Tensor | None = None
        self._batches: list[int] = []

    @classmethod
    def of(cls, trainer: pl.Trainer) -> Self:
        """Return the one that a Trainer has.

        Raises:
            TlmlError: It has none: it has fitted no learner to a stream.
        """
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, cls):
                return callback
        raise TlmlError("retention: this Trainer has none; fit a learner on a StreamView first")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """R ``[t, T]`` after t of T tasks; one row where all tasks are shuffled into one."""
        return np.array(self.rows, dtype=np.float64)

    def summary(self) -> dict[str, float]:
        """Return RA, LA, AIA and, from the second task on, BTI, BWT, forgetting and FWT, so far.

        They are over the tasks so far. RA is the mean on all of them after the last, LA that on
        each just after it was learned, AIA the mean over t of the mean on the tasks up to t after
        task t; FWT needs the row before training. Where all tasks are shuffled into one, RA is the
        mean on all, and there is nothing else.

        Raises:
            TlmlError: No task has been learned.
        """
        learned = len(self.rows)
        if not learned:
            raise TlmlError("retention: no task has been learned yet; fit on a StreamView first")
        if self.joint:
            return {"RA": float(self.matrix[-1].mean())}
        square = self.matrix[:, :learned]
        found = {
            "RA": retained_accuracy(square),
            "LA": learning_accuracy(square),
            "AIA": average_incremental_accuracy(square),
        }
        if learned > 1:
            found["BTI"] = backward_transfer_and_interference(square)
            found["BWT"] = backward_transfer(square)
            found["forgetting"] = forgetting(square, higher_is_better=self.higher_is_better)
        if learned > 1 and self.before:
            found["FWT"] = forward_transfer(square, self.before[:learned])
        return found

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure a task that was killed between its last batch and its row."""
        view = stream_of(trainer)
        if view is None:
            return
        self.joint = view.joint
        task = view.just_learned(trainer)
        if task is not None and len(self.rows) <= task:
            _validate(trainer, after=(task + 1) * view.epochs)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a row: sums over the examples of each task, and their numbers."""
        view = stream_of(trainer)
        if view is None:
            return
        self.metric, self.higher_is_better = primary(view.spaces.y, view.domain)
        self._batches = [0] * view.number_of_tasks
        self._sums = torch.zeros(2, view.number_of_tasks, device=pl_module.device)

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
        measured = isinstance(outputs, Mapping) and self.metric in outputs
        if self._sums is None or not measured or not isinstance(batch, Step):
            return
        count = len(batch.task)
        self._sums[0, dataloader_idx] += outputs[self.metric] * count
        self._sums[1, dataloader_idx] += count
        self._batches[dataloader_idx] += 1

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row down: before training, or after the task that has just ended."""
        view = stream_of(trainer) if trainer.state.fn == TrainerFn.FITTING else None
        if self._sums is None or view is None:
            return
        total, count = trainer.strategy.reduce(self._sums, reduce_op="sum")
        if not bool((count > 0).all()):
            return  # the learner measures something else
        row = (total / count).tolist()
        if trainer.sanity_checking:
            # A sanity check of a few batches measures nothing.
            whole = trainer.num_sanity_val_batches == trainer.num_val_batches
            self.before = row if whole else []
            return
        task = view.just_learned(trainer)
        # Lightning resumes a validation that was cut by its last part: that is not a row.
        if task is not None and self._batches == list(trainer.num_val_batches):
            self._fill(task, len(row))
            self.rows = [*self.rows[:task], row]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the loggers the summary, and those that take tables R."""
        if self.rows:
            for logger in trainer.loggers:
                logger.log_metrics(self.summary(), step=trainer.global_step)
                if takes_tables := getattr(logger, "log_table", None):
                    takes_tables("R", **self._table(), step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return all rows as plain data."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        for name in _STATE:
            setattr(self, name, state_dict[name])

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

    def _table(self) -> dict[str, Any]:
        """Return R as the columns and the rows of a table, with the row before training."""
        rows = [("before", self.before)] if self.before else []
        rows += [("all" if self.joint else str(task), row) for task, row in enumerate(self.rows)]
        columns = ["after task", *(f"on task {task}" for task in range(len(self.rows[-1])))]
        return {"columns": columns, "data": [[name, *row] for name, row in rows]}


def _validate(trainer: pl.Trainer, after: int) -> None:
    """Validate at the start of a fit, as Lightning would have done after so many epochs."""
    every, loop = trainer.check_val_every_n_epoch, trainer.fit_loop.epoch_loop.val_loop
    if trainer.enable_validation and (every is None or after % every == 0):
        loop.restarting = False  # begin with the first batch
        trainer.validating = True
        loop.run()
        loop._has_run = False  # else Lightning would leave out the first epoch
        trainer.training = True

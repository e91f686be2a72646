"""The end of a task of a stream: once a task, before it is measured, wherever a fit was killed."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from tlml.learners.keyed_draws import keyed_draws
from tlml.networks.modes import evaluating
from tlml.views.stream import StreamView

BUFFER = "consolidated"  # how many tasks of the stream were consolidated, as checkpoints hold it
_KEY = (0, 0, 1)  # keeps the draws apart from those of batches


def stream_of(trainer: pl.Trainer) -> StreamView | None:
    """Return the stream that a Trainer fits a learner to, also before its loaders are there."""
    view = getattr(trainer, "datamodule", None)
    if view is None:
        loop = trainer.fit_loop
        loader = trainer.train_dataloader or loop._data_source.instance
        view = getattr(loader, "view", None)
    return view if isinstance(view, StreamView) else None


class Consolidation(pl.Callback):
    """Calls `Learner.consolidate` at the end of each task; learners that have it bring this.

    ModelCheckpoint saves after a batch before anything can follow the batch, so a checkpoint after
    the last batch of a task lacks what is consolidated then. The learner's buffer says how far it
    is, and a resumed fit begins with what is missing.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make up for what a checkpoint lacks, and begin a new stream with its first task."""
        view = stream_of(trainer)
        if view is not None:
            done: Tensor = getattr(pl_module, BUFFER)
            done.clamp_(max=view.learned(trainer))  # more tasks were of an earlier stream
            self._catch_up(trainer, pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Consolidate before the row of the task is measured."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._catch_up(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Consolidate where no validation did."""
        # An epoch that max_steps cut does not end its task.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._catch_up(trainer, pl_module)

    def _catch_up(self, trainer: pl.Trainer, learner: Any) -> None:
        view, done = stream_of(trainer), getattr(learner, BUFFER)
        if view is None:
            return
        for task in range(int(done), view.learned(trainer)):
            with (
                keyed_draws((learner.seed, task, *_KEY), learner.device),
                evaluating(learner),
                torch.inference_mode(False),
                torch.enable_grad(),
            ):
                learner.consolidate(task)
            done.fill_(task + 1)

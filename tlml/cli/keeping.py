"""What a run keeps of itself: its last checkpoint, and a note of where that is."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from tlml.cli.newest import note_folders
from tlml.files import make_folder
from tlml.learners.checkpoint_files import WholeFiles

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` after each epoch, and where the run is stopped from outside.

    A signal may come within a step of the optimiser, so it is heeded after the batch: what is
    written is what an uninterrupted run has there. A second one ends the run at once. Several
    processes don't stop after the same batch, and keep their epochs.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        self._before: dict[int, Any] = {}
        self._came: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hear signals."""
        super().on_train_start(trainer, pl_module)
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here if that was asked for, unless gradients are being summed over batches."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        summed = (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch
        if self._came is not None and not summed:
            trainer.save_checkpoint(self.format_checkpoint_name({}))
            self._stop(self._came)

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Stop in a long validation, too; the epoch before it is kept then."""
        if self._came is not None:
            self._stop(self._came)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave signals, as at the end."""
        super().on_exception(trainer, pl_module, exception)
        self._leave()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave signals to whoever heard them before."""
        super().teardown(trainer, pl_module, stage)
        self._leave()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came is not None:
            self._stop(number)
        self._came = number

    def _stop(self, number: int) -> None:
        before = self._before.get(number)
        self._leave()
        if callable(before):
            before(number, None)
        raise KeyboardInterrupt

    def _leave(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before, self._came = {}, None


class RunFiles(WholeFiles):
    """Writes checkpoints whole, and makes their folder; other storage is Lightning's affair."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Save a checkpoint.

        Raises:
            TlmlError: The folder is not writable, or the disk is full.
        """
        if "://" in str(path):
            TorchCheckpointIO().save_checkpoint(checkpoint, path, storage_options)
            return
        make_folder(Path(path).parent)
        super().save_checkpoint(checkpoint, path, storage_options)


class NoteFolders(pl.Callback):
    """Notes where the checkpoints of a run are, for ``last``.

    Args:
        command: Whose run it is.
    """

    def __init__(self, command: str) -> None:
        self.command = command

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do so on the first process, once loggers have decided."""
        callbacks = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
        folders = [str(callback.dirpath) for callback in callbacks if callback.dirpath]
        if trainer.is_global_zero and folders:
            note_folders(self.command, folders)

"""What a run keeps of itself: its last checkpoint, and a note of where that is."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from tlml.cli.newest import note_folders
from tlml.files import make_folder
from tlml.learners.checkpoint_files import WholeFiles

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def best_of_returns() -> ModelCheckpoint:
    """Return what keeps ``best.ckpt``: an agent as it was when it was judged best."""
    return ModelCheckpoint(
        filename="best", monitor="val_return", mode="max", enable_version_counter=False
    )


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` after each epoch, and where the run is stopped from outside.

    A signal may come within a step of the optimiser, so it is heeded after the batch and the
    learner's own hook for it: what is written is what an uninterrupted run has there. In a
    validation that is what was after the last batch. A second signal ends the run at once. What was
    ignored before stays ignored. Several processes don't stop after the same batch, and keep their
    epochs.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        self._before: dict[int, Any] = {}
        self._came: int | None = None
        self._after_batch: dict[str, Any] | None = None
        self._loop: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hear signals."""
        super().on_train_start(trainer, pl_module)
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in _SIGNALS}
            self._before = {n: own for n, own in found.items() if own not in (signal.SIG_IGN, None)}
            for number in self._before:
                signal.signal(number, self._note)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here if that was asked for, unless gradients are being summed over batches."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        summed = (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch
        self._after_batch = None
        if summed:
            return
        if self._came is not None:
            pl_module.on_train_batch_end(outputs, batch, batch_idx)  # Lightning won't come to it
            self._save_and_stop(trainer)
        if self._before and trainer.enable_validation:
            self._after_batch = deepcopy(trainer.fit_loop.state_dict())

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Stop in a long validation, too, and keep what was after the batch before it."""
        if self._came is None:
            return
        self._loop = self._after_batch
        if self._loop is None:  # gradients are being summed
            self._stop(self._came)
        self._save_and_stop(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write where the run was before a validation, which changes nothing else."""
        if self._loop is not None:
            checkpoint["loops"]["fit_loop"] = self._loop

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop before a test, if that was asked for in what comes after the last batch."""
        super().on_train_end(trainer, pl_module)
        if self._came is not None:
            self._stop(self._came)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave signals, as at the end."""
        super().on_exception(trainer, pl_module, exception)
        before = self._before.get(signal.SIGTERM)
        if self._came == signal.SIGTERM and callable(before):
            # Schedulers send it to all processes: those of environments may end first.
            with suppress(SystemExit):
                before(self._came, None)
        self._leave()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave signals to whoever heard them before."""
        super().teardown(trainer, pl_module, stage)
        self._leave()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came is not None:
            self._stop(number)
        self._came = number

    def _save_and_stop(self, trainer: pl.Trainer) -> NoReturn:
        assert self._came is not None
        trainer.save_checkpoint(self.format_checkpoint_name({}))
        self._stop(self._came)

    def _stop(self, number: int) -> NoReturn:
        before = self._before.get(number)
        self._leave()
        if callable(before):
            before(number, None)
        raise KeyboardInterrupt

    def _leave(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before, self._came = {}, None
        self._after_batch = self._loop = None


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

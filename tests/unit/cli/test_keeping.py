"""A run that is stopped heeds it after the batch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tlml.cli.keeping import LastCheckpoint, NoteFolders, RunFiles
from tlml.cli.newest import find_newest


class Trainer(SimpleNamespace):
    """What the callback asks of a Trainer."""

    def __init__(self, **about: Any) -> None:
        usual = {
            "world_size": 1, "accumulate_grad_batches": 1, "is_last_batch": False,
            "enable_validation": True, "fit_loop": SimpleNamespace(state_dict=lambda: {"at": [1]}),
        }  # fmt: skip
        super().__init__(**usual | about, saved=[], hooks=[])

    def save_checkpoint(self, path: str) -> None:
        self.saved.append(path)
        self.hooks.append("saved")

    def on_train_batch_end(self, outputs: Any, batch: Any, number: int) -> None:
        """Stand in for the learner's own hook."""
        self.hooks.append(number)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[LastCheckpoint]:
    for hook in ("on_train_start", "on_train_batch_end", "on_train_end"):
        monkeypatch.setattr(f"pytorch_lightning.callbacks.ModelCheckpoint.{hook}", _nothing)
    callback = LastCheckpoint()
    yield callback
    callback._leave()


def _nothing(*args: Any) -> None:
    """Stand in for what needs a whole Trainer."""


def ends(callback: LastCheckpoint, trainer: Trainer, batch: int) -> None:
    callback.on_train_batch_end(trainer, trainer, None, None, batch)  # type: ignore[arg-type]


def begun(callback: LastCheckpoint, **about: Any) -> Trainer:
    trainer = Trainer(**about)
    callback.on_train_start(trainer, None)  # type: ignore[arg-type]
    return trainer


def test_a_signal_is_heeded_after_the_batch(kept: LastCheckpoint) -> None:
    trainer, before = begun(kept), signal.default_int_handler
    ends(kept, trainer, 0)
    signal.raise_signal(signal.SIGINT)
    assert trainer.saved == []
    with pytest.raises(KeyboardInterrupt):
        ends(kept, trainer, 1)
    assert [Path(path).name for path in trainer.saved] == ["last.ckpt"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_one_ends_the_run_at_once(kept: LastCheckpoint) -> None:
    trainer = begun(kept)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert trainer.saved == []


def test_sigterm_ends_as_it_did_before(
    kept: LastCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    usual = signal.signal(signal.SIGTERM, stop)
    try:
        trainer = begun(kept)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            ends(kept, trainer, 0)
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert caught.value.code == 143 and len(trainer.saved) == 1


def test_sigterm_is_known_where_the_batch_fails_of_it(kept: LastCheckpoint) -> None:
    heard: list[int] = []

    def stop(number: int, frame: object) -> None:
        heard.append(number)
        raise SystemExit(128 + number)

    usual = signal.signal(signal.SIGTERM, stop)
    try:
        trainer: Any = begun(kept)
        kept.on_exception(trainer, None, RuntimeError("its own"))  # type: ignore[arg-type]
        assert heard == []
        trainer = begun(kept)
        signal.raise_signal(signal.SIGTERM)
        kept.on_exception(trainer, None, RuntimeError("of it"))  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert heard == [signal.SIGTERM]


def test_sums_of_gradients_are_finished_first(kept: LastCheckpoint) -> None:
    trainer = begun(kept, accumulate_grad_batches=2)
    signal.raise_signal(signal.SIGINT)
    ends(kept, trainer, 0)
    with pytest.raises(KeyboardInterrupt):
        ends(kept, trainer, 1)


def test_the_learners_own_hook_comes_before_what_is_written(kept: LastCheckpoint) -> None:
    trainer = begun(kept)
    ends(kept, trainer, 0)
    assert trainer.hooks == []
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ends(kept, trainer, 1)
    assert trainer.hooks == [1, "saved"]


def test_a_validation_is_not_waited_for(kept: LastCheckpoint) -> None:
    trainer = begun(kept)
    ends(kept, trainer, 0)
    kept.on_validation_batch_end(trainer)  # type: ignore[arg-type]
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        kept.on_validation_batch_end(trainer)  # type: ignore[arg-type]
    assert trainer.hooks == ["saved"]


def test_a_validation_within_a_sum_of_gradients_keeps_nothing(kept: LastCheckpoint) -> None:
    trainer = begun(kept, accumulate_grad_batches=2)
    ends(kept, trainer, 0)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        kept.on_validation_batch_end(trainer)  # type: ignore[arg-type]
    assert trainer.saved == []


def test_a_signal_after_the_last_batch_is_heeded_at_the_end(kept: LastCheckpoint) -> None:
    trainer = begun(kept)
    kept.on_train_end(trainer, None)  # type: ignore[arg-type]
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        kept.on_train_end(trainer, None)  # type: ignore[arg-type]


def test_what_was_ignored_stays_ignored(kept: LastCheckpoint) -> None:
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trainer = begun(kept)
        signal.raise_signal(signal.SIGINT)
        ends(kept, trainer, 0)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert trainer.saved == []
    finally:
        signal.signal(signal.SIGINT, usual)


def test_several_processes_hear_signals_as_ever(kept: LastCheckpoint) -> None:
    begun(kept, world_size=2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_folder_of_checkpoints_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: LastCheckpoint
) -> None:
    monkeypatch.chdir(tmp_path)
    kept.dirpath = str(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "last.ckpt").touch()
    trainer = Trainer(checkpoint_callbacks=[kept], is_global_zero=True)
    NoteFolders("fit").on_fit_start(trainer, None)  # type: ignore[arg-type]
    assert find_newest("fit") == Path("elsewhere/last.ckpt")


def test_checkpoints_of_runs_are_written_whole_into_new_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "version_0" / "checkpoints" / "last.ckpt"
    RunFiles().save_checkpoint({"value": 1}, path)
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        RunFiles().save_checkpoint({"value": 2}, path)
    assert torch.load(path, weights_only=True) == {"value": 1}
    elsewhere: list[object] = []
    monkeypatch.setattr(
        "tlml.cli.keeping.TorchCheckpointIO.save_checkpoint", lambda *given: elsewhere.append(given)
    )
    RunFiles().save_checkpoint({}, "s3://bucket/last.ckpt")
    assert len(elsewhere) == 1

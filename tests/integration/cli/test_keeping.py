"""What a run that is stopped keeps: going on from there gives the bits of the uninterrupted one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from resuming import CASES, equal, uninterrupted
from trainers import quiet_trainer

from tlml.cli.keeping import LastCheckpoint


class InValidation(Callback):
    """Interrupts the validation that comes after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_validation_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)  # Lightning ignores it once it came


def run(case: str, folder: Path, callbacks: list[Callback], **options: Any) -> Any:
    make, own = CASES[case]
    learner, view = make()
    keeping = LastCheckpoint()
    keeping.dirpath = str(folder)
    path = folder / "last.ckpt"
    trainer = quiet_trainer(
        max_epochs=3, enable_checkpointing=True, callbacks=[*callbacks, keeping], **own, **options
    )
    last = str(path) if path.exists() else None
    trainer.fit(learner, datamodule=view, ckpt_path=last, weights_only=True)
    return learner.state_dict(), trainer.optimizers[0].state_dict(), trainer.global_step


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize(
    "case, after, options",
    [("maml", 0, {}), ("supervised", 0, {}), ("dropout", 3, {"val_check_interval": 3})],
)
def test_a_run_that_is_stopped_in_a_validation_loses_no_batch(case, after, options, tmp_path):
    step = 2 * len(CASES[case][0]()[1].train_dataloader()) + after
    with pytest.raises(SystemExit):
        run(case, tmp_path, [InValidation(step)], **options)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == step
    assert equal(run(case, tmp_path, [], **options), uninterrupted(case))

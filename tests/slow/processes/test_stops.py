"""Heavy commands that are stopped in the middle, and go on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from commands import Command

FIT = "fit --model supervised --data.domain sinusoid --data.samples 2000 --trainer.max_epochs"


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_fit_that_is_stopped_has_its_last_epoch(
    tmp_path: Path, number: int, status: int, word: str
) -> None:
    command = Command(tmp_path, *FIT.split(), "500")
    last = tmp_path / "runs" / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    command.wait_for(last.is_file)
    command.send(number)
    try:
        found, said = command.end(60)
    finally:
        command.kill()
    how = "the same command goes on with --ckpt_path last"
    assert (found, said.splitlines()[-1]) == (status, f"tlml: {word}; {how}")
    epochs = torch.load(last, weights_only=True)["epoch"] + 1
    assert 1 <= epochs < 500
    if number == signal.SIGTERM:
        going_on = Command(tmp_path, *FIT.split(), str(epochs + 1), "--ckpt_path", "last")
        status, said = going_on.end(120)
        assert status == 0, said
        again = tmp_path / "runs" / "fit" / "version_1" / "checkpoints" / "last.ckpt"
        assert torch.load(again, weights_only=True)["epoch"] == epochs

"""Heavy commands that are stopped in the middle, and go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from slow_cells import hear_interrupts

FIT = "fit --model supervised --data.domain sinusoid --data.samples 2000 --trainer.max_epochs"


def begin(folder: Path, words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tlml", *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_fit_that_is_stopped_has_its_last_epoch(
    tmp_path: Path, number: int, status: int, word: str
) -> None:
    process = begin(tmp_path, f"{FIT} 500")
    last = tmp_path / "runs" / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    until = time.monotonic() + 120
    while not last.is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    how = "the same command goes on with --ckpt_path last"
    assert said.splitlines()[-1] == f"tlml: {word}; {how}"
    epochs = torch.load(last, weights_only=True)["epoch"] + 1
    assert 1 <= epochs < 500
    if number == signal.SIGTERM:
        going_on = begin(tmp_path, f"{FIT} {epochs + 1} --ckpt_path last")
        _, said = going_on.communicate(timeout=120)
        assert going_on.returncode == 0, said
        again = tmp_path / "runs" / "fit" / "version_1" / "checkpoints" / "last.ckpt"
        assert torch.load(again, weights_only=True)["epoch"] == epochs

"""Heavy commands that are stopped in the middle, and go on."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sessions are read from /proc")
@pytest.mark.parametrize(
    ("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)]
)
def test_environments_in_processes_of_their_own_end_with_the_fit(
    tmp_path: Path, number: int, to_all: bool
) -> None:
    words = (
        "fit --model ppo --model.max_env_steps 100000000 --model.rollout_steps 32 "
        "--model.batch_size 64 --data.domain cartpole --data.envs 2 --data.vectorization async"
    )
    command = Command(tmp_path, *words.split(), "--data.tasks", "3")
    last = tmp_path / "runs" / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    command.wait_for(last.is_file)
    session = command.session
    assert len(_in_session(session)) >= 3  # the command and two environments
    # A terminal tells all processes of the command that Ctrl-C was pressed, as schedulers do.
    os.killpg(session, number) if to_all else command.send(number)
    try:
        status, said = command.end(60)
    finally:
        left = _gone_within(session, 5)
        command.kill()
    assert status == 128 + number, said
    assert left == []
    assert int(torch.load(last, weights_only=True)["state_dict"]["env_steps"]) > 0


def _in_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def _gone_within(session: int, seconds: float) -> list[int]:
    """Return what is left of a session after some seconds."""
    until = time.monotonic() + seconds
    while (left := _in_session(session)) and time.monotonic() < until:
        time.sleep(0.02)
    return left

"""A fit that is killed outright."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from places import TESTS
from resuming import equal, fit, uninterrupted

SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {support!r})
from resuming import Stop, fit
fit("accumulated_dropout", Path({folder!r}), Stop(7, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


def test_a_fit_killed_outright_is_resumed_bit_for_bit(tmp_path: Path):
    script = SCRIPT.format(support=str(TESTS / "support"), folder=str(tmp_path))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert killed.returncode == -9, killed.stderr.decode()
    assert (tmp_path / "last.ckpt").exists()
    assert equal(fit("accumulated_dropout", tmp_path), uninterrupted("accumulated_dropout"))

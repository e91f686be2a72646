"""What a module costs, seen in a process of its own: here everything is imported already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tlml.testing.failure import require


def run_alone(whose: str, program: str, *words: str) -> Any:
    """Run a program that imports a module, and return what it prints last, which is JSON.

    Args:
        whose: Whose module it is, such as ``"plugin tides"``.
        program: Python's source.
        *words: What it finds in ``sys.argv`` from 1 on.

    Raises:
        CheckFailed: It fails.
    """
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1:]
    require(done.returncode == 0, f"{whose}: importing it alone fails: {''.join(last)}")
    return json.loads(done.stdout.splitlines()[-1])

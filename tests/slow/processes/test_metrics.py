"""Statistics without torch."""

from __future__ import annotations

import subprocess
import sys


def test_statistics_need_no_torch():
    code = (
        "import sys; from tlml.metrics import bootstrap_interval, interquartile_mean; "
        "bootstrap_interval([1, 2]); interquartile_mean([1, 2]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

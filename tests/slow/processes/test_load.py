"""What checking and planning a suite imports."""

from __future__ import annotations

import subprocess
import sys


def test_checking_and_planning_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from tlml.suites import plan\n"
        "from tlml.registry import default_registry\n"
        "from tlml.suites import load_suite\n"
        "plan(load_suite('quickstart'), default_registry())\n"
        "heavy = {'torch', 'pytorch_lightning', 'gymnasium', 'numpy', 'matplotlib', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")

"""What the fixtures of plugin authors import."""

from __future__ import annotations

import subprocess
import sys

from tlml.registry.plugins import HEAVY


def test_the_fixtures_import_nothing_heavy() -> None:
    code = "import sys, tlml.testing.fixtures; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tlml.testing.fixtures" in done.stdout.split()
    assert HEAVY & set(done.stdout.split()) == set()

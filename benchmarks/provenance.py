"""Where a record comes from: the commit, the processor, versions and the day."""

from __future__ import annotations

import platform
import subprocess
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_CPUINFO = Path("/proc/cpuinfo")
CHANGED = " and changes"
_WRITTEN = (":!benchmarks/results", ":!docs/images", ":!*.md")  # by commands like these


@cache
def provenance() -> dict[str, Any]:
    """Return the commit that runs, the processor it runs on, versions, and today's date.

    As they are at the first call, which commands make before long work: what runs is what was
    there then, and a checkout may move on meanwhile.
    """
    import torch  # which each benchmark has imported, and the check does without

    return {
        "commit": commit(),
        "processor": processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "date": date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tlml", "torch")},
        },
    }


def commit(root: Path = ROOT) -> str:
    """Return the commit of a checkout, and whether code differs from it; empty without git."""
    try:
        found = git(root, "rev-parse", "--short", "HEAD").strip()
        changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found + CHANGED if changed else found


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def git(root: Path, *arguments: str) -> str:
    """Return what a command of git prints.

    Raises:
        OSError: There is no git.
        CalledProcessError: It fails, as where there is no repository.
    """
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout

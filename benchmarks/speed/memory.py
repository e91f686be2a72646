"""Peak memory of a side over what was there before its first outer step.

Each side is measured in a process of its own, by what the kernel says was resident at most. It is
warmed up there on tiny images, so that what torch loads at first use isn't counted.

    python -m benchmarks.speed.memory CASE SIDE [LEARN2LEARN]      prints MiB
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.speed import workload
from benchmarks.speed.cases import Case, Images, cases
from benchmarks.speed.peer import learn2learn_maml
from benchmarks.speed.sides import side

STATUS = Path("/proc/self/status")
ROOT = Path(__file__).parent.parent.parent
STEPS = 2  # outer steps; the second finds the first one's gradients and fragments


def peak_memory(case: Case, name: str, learn2learn: str | None) -> float:
    """Return the peak of a side in MiB over its base, from a new process."""
    command = [sys.executable, "-m", "benchmarks.speed.memory", case.name, name]
    command += [str(Path(learn2learn).resolve())] if learn2learn else []
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def can_measure() -> bool:
    """Return whether this system tells a process's peak: Linux does."""
    return STATUS.exists()


def main(argv: list[str] | None = None) -> None:
    """Measure in this process, and print."""
    name, of, *path = sys.argv[1:] if argv is None else argv
    case = next(case for case in cases() if case.name == name)
    peer = learn2learn_maml(path[0]) if path else None
    torch.set_num_threads(1)
    tiny = _tiny(case)
    side(tiny, of, peer).step(workload.episode(tiny))
    one, episode = side(case, of, peer), workload.episode(case)
    base = _resident_at_most()
    for _ in range(STEPS):
        one.module.zero_grad()
        one.step(episode)
    print(round(_resident_at_most() - base, 1))


def _tiny(case: Case) -> Case:
    assert isinstance(case.data, Images)
    return replace(case, tasks=1, data=replace(case.data, size=16, shots=1, queries=1))


def _resident_at_most() -> float:
    # getrusage's ru_maxrss won't do: a child process starts with its parent's.
    found = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()

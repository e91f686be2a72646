"""Stops, kills and doubles runs of a suite at random moments, fills disks, damages files.

    python -m benchmarks.stress [--minutes 15] [--seed 0]

Each try does one such thing to a run, then types the same command again, and holds if that ends
well with what an undisturbed run with one job comes to: every result without its seconds, every
tensor of every checkpoint. The disk is full by a limit on the size of files. Prints tried and held.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

SUITE = """
name: stress
seeds: 2
episodes: 20
domains:
  sinusoid: {shots: [5], view: {queries: 5}, learner: {network: mlp}}
fits:
  pretrained: {learner: supervised, view: {batch_size: 8, samples: 1500}}
methods:
  scratch: {strategy: scratch, options: {steps: 20}}
  full: {fit: pretrained, strategy: full, options: {steps: 20}}
trainer: {max_epochs: 2}
"""
SIZES = (0, 200, 1000, 2000, 4000, 8000, 16000, 24000, 32000, 64000)  # bytes that a file may have
LONGEST = 300  # seconds after which a command hangs

Act = Callable[["Run"], None]


class Run:
    """A command in a folder that others may use, too."""

    def __init__(self, out: Path, jobs: int, limit: int | None = None) -> None:
        self.out, self.jobs = out, jobs
        words = ["bench", str(out.parent / "suite.yaml"), "--out", str(out), "--jobs", str(jobs)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tlml", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(_limit, limit) if limit is not None else None,
        )

    def end(self) -> int:
        """Return the exit status; a command that hangs is killed and has none that is good."""
        try:
            return self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def reach(self, rng: random.Random) -> None:
        """Wait for a random moment between the first cell and the end."""
        while self.process.poll() is None and not list(self.out.glob("work/*/claim")):
            time.sleep(0.02)
        until = time.monotonic() + rng.uniform(0, 6)
        while self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)

    def send(self, number: int, pid: int | None = None) -> None:
        """Send a signal to the command itself, or to one of its workers."""
        with suppress(ProcessLookupError):
            os.kill(pid or self.process.pid, number)


def stop_by(number: int, rng: random.Random, run: Run) -> None:
    run.reach(rng)
    run.send(number)
    run.end()


def kill_worker(rng: random.Random, run: Run) -> None:
    run.reach(rng)
    if run.jobs > 1:  # else the command itself is at work
        for pid in _owners(run.out)[:1]:
            run.send(signal.SIGKILL, pid)
    run.end()


def double(rng: random.Random, run: Run) -> None:
    other = Run(run.out, rng.choice((1, 2)))
    run.end()
    other.end()


def retype_at_once(rng: random.Random, run: Run) -> None:
    run.reach(rng)
    run.send(signal.SIGTERM)
    Run(run.out, run.jobs).end()
    run.end()


def stop_and_continue(rng: random.Random, run: Run) -> None:
    """Another command follows who is silent for the lease, or waits if that wakes up before."""
    run.reach(rng)
    run.send(signal.SIGSTOP)
    other = Run(run.out, 1)
    with suppress(subprocess.TimeoutExpired):
        other.process.wait(rng.choice((15, 100)))
    run.send(signal.SIGCONT)
    run.end()
    other.end()


def damage(rng: random.Random, run: Run) -> None:
    run.end()
    for path in rng.sample(sorted(run.out.glob("cells/*/*")), 3):
        content = path.read_bytes()
        torn = rng.choice((b"", content[: len(content) // 2], None))
        if torn is None:
            path.unlink()
        else:
            path.write_bytes(torn)
    # What starts from a damaged fit is to be made anew, else nobody reads that.
    for path in run.out.glob("cells/*/result.json"):
        with suppress(ValueError):
            if json.loads(path.read_bytes()).get("fits"):
                path.unlink()


def acts(rng: random.Random) -> dict[str, Act]:
    """Return what can be done to a run, by name."""
    return {
        "SIGKILL": partial(stop_by, signal.SIGKILL, rng),
        "SIGTERM": partial(stop_by, signal.SIGTERM, rng),
        "SIGINT": partial(stop_by, signal.SIGINT, rng),
        "worker killed": partial(kill_worker, rng),
        "doubled": partial(double, rng),
        "stopped, typed again": partial(retype_at_once, rng),
        "SIGSTOP, SIGCONT": partial(stop_and_continue, rng),
        "damaged": partial(damage, rng),
    }


def content(out: Path) -> dict[str, Any]:
    """Return all results without their seconds, and the tensors of all checkpoints."""
    found = {}
    for path in sorted(out.glob("cells/*/result.json")):
        checkpoint = path.with_name("last.ckpt")
        state = torch.load(checkpoint, weights_only=True) if checkpoint.is_file() else {}
        tensors = {name: value.tolist() for name, value in state.get("state_dict", {}).items()}
        found[path.parent.name] = (_timeless(json.loads(path.read_text())), tensors)
    return found


def tries(rng: random.Random) -> Iterator[tuple[str, int, int | None, Act]]:
    """Yield what is tried, in turn and without end: name, jobs, limit on files, act."""
    turn = 0
    while True:
        for name, act in acts(rng).items():
            yield name, 1 + turn % 2, None, act
            turn += 1
        yield "disk full", 1 + turn % 2, SIZES[turn % len(SIZES)], _ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stress-"))
    tried, held = stress(folder, random.Random(options.seed), 60 * options.minutes)
    for name in tried:
        print(f"{name:<22} {tried[name]:>4} tried {held[name]:>4} held")
    print(f"{'all':<22} {tried.total():>4} tried {held.total():>4} held")
    if tried != held:
        print(f"what was left is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def stress(folder: Path, rng: random.Random, seconds: float) -> tuple[Counter[str], Counter[str]]:
    """Count what is tried within some seconds, and what held."""
    (folder / "suite.yaml").write_text(SUITE)
    right, until = _right(folder), time.monotonic() + seconds
    tried, held = Counter[str](), Counter[str]()
    for number, (name, jobs, limit, act) in enumerate(tries(rng)):
        if time.monotonic() > until:
            break
        out = folder / f"out{number}"
        act(Run(out, jobs, limit))
        healed = Run(out, jobs).end() == 0 and content(out) == right
        tried[name] += 1
        held[name] += healed
        print(f"{name}, jobs {jobs}: {'held' if healed else f'NOT HELD, see {out}'}", flush=True)
    return tried, held


def _right(folder: Path) -> dict[str, Any]:
    run = Run(folder / "right", 1)
    if run.end() != 0:
        raise SystemExit("an undisturbed run failed")
    return content(run.out)


def _ended(run: Run) -> None:
    run.end()


def _limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _owners(out: Path) -> list[int]:
    found = []
    for path in out.glob("work/*/claim"):
        with suppress(OSError, ValueError):
            found.append(int(json.loads(path.read_text())["pid"]))
    return found


def _timeless(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    own = ("token", "sha256")  # a checkpoint holds seconds, too
    return {k: _timeless(v) for k, v in value.items() if "seconds" not in k and k not in own}


if __name__ == "__main__":
    sys.exit(main())
